"""Binary cross-entropy against torch's."""

import torch
import torch.nn.functional as F

from zsl.losses.asymmetric import asymmetric_loss
from zsl.losses.cross_entropy import binary_cross_entropy


def _random():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(7, 11, generator=generator)
    return logits, (torch.rand(7, 11, generator=generator) < 0.3).float()


def test_bce_is_that_of_torch():
    logits, targets = _random()
    expected = F.binary_cross_entropy(logits.double().sigmoid(), targets.double(), reduction="sum")
    torch.testing.assert_close(binary_cross_entropy(logits, targets).double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(asymmetric_loss(logits, targets, 0, 0, 0).double(), expected, rtol=1e-6, atol=0)
