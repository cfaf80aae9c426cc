"""Softmax cross-entropy against torch's, and with several labels an image."""

import torch
import torch.nn.functional as F

from zsl.losses.softmax import softmax_cross_entropy


def _small(labels=7, images=5):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(images, labels, generator=generator, dtype=torch.float64)
    targets = (torch.rand(images, labels, generator=generator) < 0.4).double()
    targets[0] = 0
    weights = torch.rand(images, labels, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), targets, weights


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
