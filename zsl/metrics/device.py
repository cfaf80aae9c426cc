"""The same metrics for tensors on an accelerator, computed there."""

import torch
from torch import Tensor

BLOCK = 1 << 24  # entries that are sorted at once


def checked(scores: Tensor, targets: Tensor, annotated: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores as float32 or float64, targets and mask as bool, all on the scores' device.

    Raises:
        ValueError: shapes differ, targets are not binary, or a score is not finite.
    """
    if scores.ndim != 2:
        raise ValueError(f"scores must be (batch, label), got shape {tuple(scores.shape)}")
    for title, values in (("targets", targets), ("annotated", annotated)):
        if values is not None and tuple(values.shape) != tuple(scores.shape):
            raise ValueError(
                f"scores {tuple(scores.shape)} and {title} {tuple(values.shape)} must be one (batch, label) shape"
            )
    if targets.dtype != torch.bool and bool(((targets != 0) & (targets != 1)).any()):
        raise ValueError("targets must be 0 or 1")
    values = scores.detach() if scores.dtype in (torch.float32, torch.float64) else scores.detach().float()
    if not bool(torch.isfinite(values).all()):
        row, label = torch.argwhere(~torch.isfinite(values))[0].tolist()
        raise ValueError(f"scores hold {values[row, label].item()}, first at row {row}, label {label}")
    known = None if annotated is None else annotated.to(values.device, torch.bool)
    return values, targets.to(values.device, torch.bool), known


def average_precision(scores: Tensor, targets: Tensor, annotated: Tensor | None = None) -> Tensor:
    """`zsl.metrics.average_precision.average_precision` by sorting, on the scores' device.

    Returns:
        (label,) float64.
    """
    scores, targets, known = checked(scores, targets, annotated)
    images, labels = scores.shape
    width = max(1, BLOCK // max(images, 1))
    parts = []
    for first in range(0, labels, width):
        own = slice(first, first + width)
        ranking, truth = scores[:, own].T.contiguous(), targets[:, own].T
        if known is not None:
            truth = truth & known[:, own].T
            ranking = ranking.masked_fill(~known[:, own].T, -torch.inf)  # below every hit, so in no precision
        hits = ranking.masked_fill(~truth, -torch.inf).sort(1).values
        above = images - torch.searchsorted(ranking.sort(1).values, ranking)
        hits_above = images - torch.searchsorted(hits, ranking)
        precision = (hits_above.double() / above.clamp(min=1)).where(truth, 0.0)
        parts.append(precision.sum(1) / truth.sum(1))  # 0 / 0 is NaN
    return torch.cat(parts)
