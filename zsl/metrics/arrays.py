"""The input of metrics: scores and targets as numpy arrays or torch tensors, checked."""

from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

Scores = np.ndarray | Tensor  # (batch, label), higher is more likely
Targets = np.ndarray | Tensor  # (batch, label) of 0 and 1, or bool
ROWS = 4096  # images that are processed at once


def on_device(scores: Scores) -> TypeGuard[Tensor]:
    """Whether scores are a tensor on an accelerator."""
    return isinstance(scores, Tensor) and scores.device.type != "cpu"


def as_array(values: Any) -> np.ndarray:
    """A numpy view of an array or of a tensor on the CPU; bfloat16, which numpy lacks, becomes float32."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return np.asarray(values)


def as_scores(scores: Scores) -> np.ndarray:
    """Scores as float32 or float64, in which sums and differences are exact enough.

    Raises:
        ValueError: the shape is not (batch, label).
    """
    values = as_array(scores)
    if values.ndim != 2:
        raise ValueError(f"scores must be (batch, label), got shape {values.shape}")
    if values.dtype == np.float16:
        return values.astype(np.float32)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def as_binary(targets: Targets, shape: tuple[int, ...], title: str = "targets") -> np.ndarray:
    """Targets as bool, in the shape of the scores; 8-bit targets are not copied.

    Raises:
        ValueError: another shape, or an entry that is neither 0 nor 1.
    """
    values = as_array(targets)
    if values.shape != tuple(shape):
        raise ValueError(f"scores {tuple(shape)} and {title} {values.shape} must be one (batch, label) shape")
    if values.dtype == np.bool_:
        return values
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS]
        wrong = (part != 0) & (part != 1)
        if wrong.any():
            row, label = np.argwhere(wrong)[0]
            raise ValueError(f"{title} must be 0 or 1, but row {start + row}, label {label} holds {part[row, label]}")
    return values.view(np.bool_) if values.dtype in (np.int8, np.uint8) else values.astype(np.bool_)


def as_known(annotated: Targets | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """A mask of the annotated entries, or None if all are annotated."""
    return None if annotated is None else as_binary(annotated, shape, "annotated")


def check_finite(scores: np.ndarray, first_row: int = 0, first_label: int = 0) -> None:
    """Checks that scores are finite: NaN and infinity cannot be ranked.

    Args:
        scores: (batch, label), or a part of such scores.
        first_row, first_label: where the part begins, for the message.
    Raises:
        ValueError: a score is not finite; the message names the first one.
    """
    # minimum and maximum are not finite if any score is not, and need no array for a mask
    if scores.size and not (np.isfinite(scores.min()) and np.isfinite(scores.max())):
        row, label = np.argwhere(~np.isfinite(scores))[0]
        value = scores[row, label]
        raise ValueError(
            f"scores hold {'NaN' if np.isnan(value) else value}, first at row {first_row + row}, "
            f"label {first_label + label}; every score must be finite"
        )


def row_blocks(images: int) -> Iterator[slice]:
    """Slices over the images."""
    return (slice(start, min(start + ROWS, images)) for start in range(0, images, ROWS))
