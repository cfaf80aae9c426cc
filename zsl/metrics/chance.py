"""The expected metrics of a random ranking."""

import numpy as np
from jaxtyping import Float, Int

from zsl.metrics.arrays import Targets, as_array


def chance_average_precision(targets: Targets, annotated: Targets | None = None) -> Float[np.ndarray, " label"]:
    """Expected AP of each label under a random ranking without ties.

    With n images and R positives: `H_n / n + (R - 1) / (n - 1) * (1 - H_n / n)`, H_n the n-th harmonic number.

    Args:
        targets: (batch, label), 0 or 1.
        annotated: (batch, label) bool, same as for `average_precision`.
    Returns:
        (label,) float64; NaN for a label without positives.
    """
    values = as_array(targets)
    known = None if annotated is None else as_array(annotated)
    images = np.full(values.shape[1], len(values)) if known is None else known.sum(axis=0)
    return expected_average_precision(
        images, (values if known is None else values * known).sum(axis=0, dtype=np.float64)
    )


def expected_average_precision(
    images: Int[np.ndarray, " label"], positives: Float[np.ndarray, " label"]
) -> Float[np.ndarray, " label"]:
    """`chance_average_precision` from the number of ranked images of each label and the number of its positives."""
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, images.max(initial=0) + 1))])
    first = harmonic[images] / np.maximum(images, 1)
    rest = (positives - 1) / np.maximum(images - 1, 1)
    return np.where(positives > 0, first + rest * (1 - first), np.nan)


def chance_f1_at_k(targets: Targets, k: int, annotated: Targets | None = None) -> float:
    """Micro F1@K of a random ranking, computed from the expected precision and the expected recall.

    Args:
        targets: (batch, label), 0 or 1.
        k: labels taken per image.
        annotated: (batch, label) bool, same as for `f1_at_k`.
    Returns:
        A fraction; 0 without positives.
    """
    values = as_array(targets) if annotated is None else as_array(targets) * as_array(annotated)
    entries = values.size if annotated is None else int(as_array(annotated).sum())
    precision, recall = values.sum() / entries, k / values.shape[1]
    return float(2 * precision * recall / (precision + recall))
