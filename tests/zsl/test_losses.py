"""Losses against torch and against the equation, and every entry of the table."""

import pytest
import torch
import torch.nn.functional as F

from zsl.losses import LOSSES, asymmetric_loss, binary_cross_entropy


def _random():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(7, 11, generator=generator)
    return logits, (torch.rand(7, 11, generator=generator) < 0.3).float()


def test_bce_is_that_of_torch():
    logits, targets = _random()
    expected = F.binary_cross_entropy(logits.double().sigmoid(), targets.double(), reduction="sum")
    torch.testing.assert_close(binary_cross_entropy(logits, targets).double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(asymmetric_loss(logits, targets, 0, 0, 0).double(), expected, rtol=1e-6, atol=0)


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


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_finite_at_extreme_logits(name):
    logits = torch.tensor([[-200.0, 200.0, -200.0, 200.0]], requires_grad=True)
    loss = LOSSES[name](logits, torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert loss.ndim == 0
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
