"""The ranking loss against a loop over pairs."""

import pytest
import torch

from zsl.losses.ranking import ranking_loss


def _small(labels=7, images=5):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, labels, generator=generator, dtype=torch.float64)
    targets = (torch.rand(images, labels, generator=generator) < 0.4).double()
    targets[0] = 0
    weights = torch.rand(images, labels, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), targets, weights


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
