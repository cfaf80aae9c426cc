"""Asymmetric loss against its equation."""

import torch

from zsl.losses.asymmetric import asymmetric_loss


def _random():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(7, 11, generator=generator)
    return logits, (torch.rand(7, 11, generator=generator) < 0.3).float()


def test_asymmetric_loss_is_its_equation():
    logits, targets = _random()
    total = 0.0
    for x, y in zip(logits.double().flatten(), targets.flatten(), strict=True):
        p = torch.sigmoid(x)
        shifted = (p - 0.05).clamp(min=0)
        total -= (1 - p) ** 1.5 * torch.log(p) if y else shifted**4 * torch.log(1 - shifted)
    torch.testing.assert_close(
        asymmetric_loss(logits, targets, 4, 1.5, 0.05).double(), torch.as_tensor(total), rtol=1e-5, atol=0
    )
