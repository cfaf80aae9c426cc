"""Cross-entropy of a softmax over labels, one decision per image."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss


def softmax_cross_entropy(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Cross-entropy of a softmax over labels, summed over images: for data with one label per image.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1; several positives share an image's weight equally.
        weights: (batch, label), factors of the single terms; None is 1.
    Returns:
        A scalar.
    """
    shares = targets / targets.sum(1, keepdim=True).clamp(min=1)
    return F.cross_entropy(logits, shares if weights is None else shares * weights, reduction="sum")


SOFTMAX = Loss(softmax_cross_entropy, exclusive=True)
