"""Focal loss against its formula."""

import torch

from zsl.losses.cross_entropy import binary_cross_entropy
from zsl.losses.focal import focal_loss


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
