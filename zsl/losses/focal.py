"""Focal loss: terms that the model already gets right count little."""

from jaxtyping import Float
from torch import Tensor

from zsl.losses.loss import Logits, Loss


def focal_loss(logits: Logits, targets: Logits, gamma: float = 2.0, weights: Logits | None = None) -> Float[Tensor, ""]:
    """Focal loss (Lin et al. 2017) without class balance: `-(1 - p_t)^gamma log p_t`, summed.

    Args:
        logits: (batch, label).
        targets: (batch, label), 0 or 1.
        gamma: focusing.
        weights: (batch, label), factors of the single terms; None is 1.
    Returns:
        A scalar.
    """
    from torchvision.ops import sigmoid_focal_loss  # imported here, because it takes seconds

    terms = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=gamma, reduction="none")
    return (terms if weights is None else terms * weights).sum()


FOCAL = Loss(focal_loss, {"gamma": "focal_gamma"})
