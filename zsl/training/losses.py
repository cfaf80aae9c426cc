"""Losses over logits (batch label) and binary targets (batch label), summed: the paper's training sums too."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Logits = Float[Tensor, "batch label"]


def binary_cross_entropy(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Binary cross-entropy with logits, summed over images and labels.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        weights: (batch, label) of the single terms, or 1.
    Returns:
        A scalar.
    """
    return F.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")


def asymmetric_loss(
    logits: Logits,
    targets: Logits,
    gamma_neg: float = 4.0,
    gamma_pos: float = 0.0,
    margin: float = 0.05,
    weights: Logits | None = None,
) -> Float[Tensor, ""]:
    """Asymmetric loss (Ridnik et al. 2021, "Asymmetric Loss For Multi-Label Classification").

    `-[ y (1-p)^g+ log p + (1-y) p_m^g- log(1-p_m) ]` with `p_m = max(p - m, 0)`, summed. The focusing weights
    are constants to the gradient, as in the reference implementation.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        gamma_neg: focusing of negatives; the paper takes 4, and 7 for Open Images.
        gamma_pos: focusing of positives.
        margin: probability shift `m` of negatives.
        weights: (batch, label) of the single terms, or 1.
    Returns:
        A scalar.
    """
    probabilities = logits.sigmoid()
    # 1 - p and the floors below are the reference's arithmetic, to the last digit of float32
    negative_probabilities = (1 - probabilities + margin).clamp(max=1)
    positive = targets * probabilities.clamp(min=1e-8).log()
    negative = (1 - targets) * negative_probabilities.clamp(min=1e-8).log()
    log_likelihood = positive + negative
    if gamma_neg > 0 or gamma_pos > 0:
        with torch.no_grad():
            miss = torch.where(targets > 0, 1 - probabilities, 1 - negative_probabilities)
            weight = miss ** torch.where(targets > 0, gamma_pos, gamma_neg)
        log_likelihood = log_likelihood * weight
    if weights is not None:
        log_likelihood = log_likelihood * weights
    return -log_likelihood.sum()


def focal_loss(logits: Logits, targets: Logits, gamma: float = 2.0, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Focal loss (Lin et al. 2017) without class balance: `-(1 - p_t)^gamma log p_t`, summed.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        gamma: focusing.
        weights: (batch, label) of the single terms, or 1.
    Returns:
        A scalar.
    """
    from torchvision.ops import sigmoid_focal_loss  # takes seconds, which other losses need not wait for

    terms = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=gamma, reduction="none")
    return (terms if weights is None else terms * weights).sum()


def softmax_cross_entropy(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax over labels, summed over images: for data with one label an image.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1; of several positives each has the same share.
        weights: (batch, label) of the single terms, or 1.
    Returns:
        A scalar.
    """
    shares = targets / targets.sum(1, keepdim=True).clamp(min=1)
    return F.cross_entropy(logits, shares if weights is None else shares * weights, reduction="sum")


def ranking_loss(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """The pairwise ranking loss of LESA and BiAM: every positive is to be 1 above every negative.

    Of each image the mean of `1 + negative - positive` over the pairs that violate this, summed over images.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        weights: (batch, label) of negatives in their pairs, or 1.
    Returns:
        A scalar.
    """
    most = max(int(targets.sum(1).max()), 1)  # positives are few: pairs of them with all labels, not of all with all
    there, places = targets.topk(most, dim=1)
    gaps = 1 + logits[:, None, :] - logits.gather(1, places)[:, :, None]
    negatives = (1 - targets) * (1 if weights is None else weights)
    pairs = gaps.clamp(min=0) * there[:, :, None] * negatives[:, None, :]
    return (pairs.sum((1, 2)) / (pairs > 0).sum((1, 2)).clamp(min=1)).sum()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "asymmetric": asymmetric_loss,
    "bce": binary_cross_entropy,
    "focal": focal_loss,
    "ranking": ranking_loss,
    "softmax": softmax_cross_entropy,
}
