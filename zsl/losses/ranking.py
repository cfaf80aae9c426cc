"""A pairwise ranking loss: positives above negatives."""

from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss


def ranking_loss(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """The pairwise ranking loss of LESA and BiAM: every positive should score 1 above every negative.

    For each image, the mean of `1 + negative - positive` over the pairs that violate this; summed over images.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        weights: (batch, label), the factor of a negative in its pairs; None means 1.
    Returns:
        A scalar.
    """
    most = max(int(targets.sum(1).max()), 1)  # positives are few: pairs (positive, label) are enough
    there, places = targets.topk(most, dim=1)
    gaps = 1 + logits[:, None, :] - logits.gather(1, places)[:, :, None]
    negatives = (1 - targets) * (1 if weights is None else weights)
    pairs = gaps.clamp(min=0) * there[:, :, None] * negatives[:, None, :]
    return (pairs.sum((1, 2)) / (pairs > 0).sum((1, 2)).clamp(min=1)).sum()


RANKING = Loss(ranking_loss)
