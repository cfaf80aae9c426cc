"""The two-way loss: positives above negatives within each image, and within each label."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss

NONE = -1e9  # takes the place of a logit that is left out


def two_way_loss(
    logits: Logits, targets: Logits, temperature: float = 4.0, weights: Logits | None = None
) -> Float[Tensor, ""]:
    """The two-way multi-label loss (Kobayashi 2023, "Two-way Multi-Label Loss").

    For one image, over its negative labels n and its positive labels p:
    `softplus(log sum_n exp(x_n) + T log sum_p exp(-x_p / T))`. For one label it is the same over the images. The first
    part is summed over images; the second is the mean over labels, times the number of images, so that both count the
    same. Images and labels without positives are left out. The level of all logits together does not matter, so they
    are no log-odds. The second part compares the images of a batch, or of a piece of it, with each other.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        temperature: T > 0; the higher it is, the less the lowest positive counts alone.
        weights: (batch, label), the factors of negatives in their sums; None is 1.
    Returns:
        A scalar.
    """
    positive = targets > 0
    low = torch.where(positive, -logits / temperature, NONE)
    high = torch.where(positive, NONE, logits)
    if weights is not None:
        high = torch.where(weights > 0, high + weights.clamp(min=torch.finfo(weights.dtype).tiny).log(), NONE)
    by_image, by_label = (
        F.softplus(high.logsumexp(axis) + temperature * low.logsumexp(axis)) * positive.any(axis) for axis in (1, 0)
    )
    labels = positive.any(0).sum().clamp(min=1)
    return by_image.sum() + len(logits) * by_label.sum() / labels


TWO_WAY = Loss(two_way_loss, {"temperature": "two_way_temperature"})
