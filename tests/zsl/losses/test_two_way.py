"""The two-way loss against loops over images and over labels."""

import pytest
import torch

from zsl.losses.two_way import two_way_loss


def _one_way(logits, targets, weights, temperature):
    """The terms of the rows that have a positive."""
    terms = []
    for row, wanted, factor in zip(logits, targets, weights, strict=True):
        if wanted.any():
            high = sum(f * x.exp() for x, y, f in zip(row, wanted, factor, strict=True) if not y)
            low = sum((-x / temperature).exp() for x, y in zip(row, wanted, strict=True) if y)
            terms.append((1 + high * low**temperature).log())
    return terms


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_one_loss_over_images_and_one_over_labels(weighted):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, generator=generator, dtype=torch.float64).requires_grad_()
    targets = (torch.rand(5, 7, generator=generator) < 0.4).double()
    targets[0], targets[:, 2] = 0, 0
    weights = torch.rand(5, 7, generator=generator, dtype=torch.float64)
    weights[3, 4] = 0
    used = weights if weighted else torch.ones_like(weights)
    images, labels = (_one_way(*(x.T if turn else x for x in (logits, targets, used)), 3.0) for turn in (False, True))
    assert (len(images), len(labels)) == (4, 6)
    expected = sum(images) + 5 * sum(labels) / 6
    found = two_way_loss(logits, targets, 3.0, weights if weighted else None)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (found, expected)))
    shifted = two_way_loss(logits + 2.5, targets, 3.0)
    torch.testing.assert_close(shifted, two_way_loss(logits, targets, 3.0))


@pytest.mark.parametrize("every", [0.0, 1.0])
def test_a_batch_without_pairs_is_worth_nothing(every):
    logits = torch.randn(3, 4, requires_grad=True)
    loss = two_way_loss(logits, torch.full((3, 4), every))
    loss.backward()
    assert not loss.item()
    assert not logits.grad.any()
