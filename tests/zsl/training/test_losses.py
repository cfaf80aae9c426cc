"""Losses against torch and against the equation, and every entry of the table."""

import pytest
import torch
import torch.nn.functional as F

from zsl.training.losses import (
    LOSSES,
    asymmetric_loss,
    binary_cross_entropy,
    focal_loss,
    ranking_loss,
    softmax_cross_entropy,
)


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


def _small(labels=7, images=5):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, labels, generator=generator, dtype=torch.float64)
    targets = (torch.rand(images, labels, generator=generator) < 0.4).double()
    targets[0] = 0
    weights = torch.rand(images, labels, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), targets, weights


def test_focal_loss_is_its_formula():
    logits, targets, _ = _small()
    p = torch.where(targets > 0, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(focal_loss(logits, targets, gamma=3.0), (-((1 - p) ** 3) * p.log()).sum())
    torch.testing.assert_close(focal_loss(logits, targets, gamma=0.0), binary_cross_entropy(logits, targets))


def test_softmax_cross_entropy_is_torchs_for_one_label_and_shares_out_several():
    logits, targets, weights = _small()
    classes = torch.tensor([3, 0, 6, 2, 2])
    one = F.one_hot(classes, 7).double()
    torch.testing.assert_close(softmax_cross_entropy(logits, one), F.cross_entropy(logits, classes, reduction="sum"))
    total = 0.0
    for row in range(1, 5):  # the first image shows nothing
        places = targets[row].nonzero().flatten().tolist()
        total += sum(-logits[row].log_softmax(0)[p] * weights[row, p] / len(places) for p in places)
    torch.testing.assert_close(softmax_cross_entropy(logits, targets, weights), total)


@pytest.mark.parametrize("weighted", [False, True])
def test_ranking_loss_is_its_pairs(weighted):
    logits, targets, weights = _small()
    total = torch.zeros((), dtype=torch.float64)
    for row in range(5):
        pairs = [
            (1 + logits[row, n] - logits[row, p]).clamp(min=0) * (weights[row, n] if weighted else 1)
            for p in range(7)
            for n in range(7)
            if targets[row, p] and not targets[row, n]
        ]
        violated = [pair for pair in pairs if pair > 0]
        total = total + (sum(violated) / len(violated) if violated else 0)
    found = ranking_loss(logits, targets, weights if weighted else None)
    torch.testing.assert_close(found, total)
    (gradient,) = torch.autograd.grad(found, logits)
    (expected,) = torch.autograd.grad(total, logits)
    torch.testing.assert_close(gradient, expected)
    assert not ranking_loss(logits, torch.zeros_like(targets)).item()
