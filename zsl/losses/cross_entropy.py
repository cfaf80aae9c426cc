"""Binary cross-entropy, one decision per label."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss


def binary_cross_entropy(logits: Logits, targets: Logits, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Binary cross-entropy with logits, summed over images and labels.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        weights: (batch, label), factors of the single terms; None is 1.
    Returns:
        A scalar.
    """
    return F.binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")


BCE = Loss(binary_cross_entropy)
