"""Asymmetric loss: easy negatives, which are most of the terms, count little."""

import torch
from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss


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
        weights: (batch, label), factors of the single terms; None is 1.
    Returns:
        A scalar.
    """
    probabilities = logits.sigmoid()
    # 1 - p and the floors below repeat the reference's arithmetic to the last digit of float32
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


ASYMMETRIC = Loss(asymmetric_loss, {"gamma_neg": "gamma_neg", "gamma_pos": "gamma_pos", "margin": "margin"})
