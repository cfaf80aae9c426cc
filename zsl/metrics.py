"""Ranking and top-K metrics of multi-label scores, exact and fast enough for 10^5 images x 10^3 labels."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

Scores = Shaped[np.ndarray, "batch label"]
Targets = Shaped[np.ndarray, "_ _"]  # (batch, label) too, but a mismatch gets a message of its own
ABSENT = ("nan", "zero")


class F1(NamedTuple):
    """Micro F1 with its precision and recall, fractions in [0, 1]."""

    f1: float
    precision: float
    recall: float


def _checked(scores: Scores, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    scores, targets = np.asarray(scores), np.asarray(targets)
    if scores.ndim != 2 or scores.shape != targets.shape:
        raise ValueError(f"scores {scores.shape} and targets {targets.shape} must be one (batch, label) shape")
    if targets.dtype != np.bool_ and not ((targets == 0) | (targets == 1)).all():
        raise ValueError("targets must be 0 or 1")
    if np.isnan(scores).any():
        row, label = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"scores hold NaN, first at row {row}, label {label}")
    return scores, targets.astype(bool, copy=False)


def _label_average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """AP of one label; scores (batch,), positive (batch,) with at least one True."""
    hits = np.sort(scores[positive])
    # an image below the lowest positive is in no precision, so it need not be sorted
    ranked = np.sort(scores[scores >= hits[0]])
    above = len(ranked) - np.searchsorted(ranked, hits, side="left")
    hits_above = len(hits) - np.searchsorted(hits, hits, side="left")
    return float(np.mean(hits_above / above))


def average_precision(
    scores: Scores, targets: Targets, annotated: Targets | None = None
) -> Float[np.ndarray, " label"]:
    """Average precision of each label's image ranking.

    AP = sum_n (R_n - R_{n-1}) P_n; tied scores share a threshold, as in scikit-learn.

    Args:
        scores: (batch, label), higher is more likely; NaN is an error.
        targets: (batch, label), 0 or 1.
        annotated: (batch, label) bool: a label's other images are left out of its ranking (Open Images).
    Returns:
        (label,) float64 in [0, 1]; NaN for a label without positives.
    Raises:
        ValueError: shapes differ, targets are not binary, or scores hold NaN.
    """
    scores, targets = _checked(scores, targets)
    if annotated is not None:
        targets = targets & _as_annotated(annotated, scores)
    result = np.full(scores.shape[1], np.nan)
    for label in np.flatnonzero(targets.any(axis=0)):
        kept = slice(None) if annotated is None else annotated[:, label]
        ranking = np.ascontiguousarray(scores[kept, label])
        result[label] = _label_average_precision(ranking, targets[kept, label])
    return result


def _as_annotated(annotated: Targets, scores: Scores) -> np.ndarray:
    if annotated.shape != scores.shape or annotated.dtype != np.bool_:
        raise ValueError(f"annotated {annotated.dtype} {annotated.shape} must be bool {scores.shape}")
    return annotated


def mean_average_precision(scores: Scores, targets: Targets, absent: str = "nan") -> float:
    """Macro mean of `average_precision` over labels.

    Args:
        scores: (batch, label).
        targets: (batch, label), 0 or 1.
        absent: what a label without positives counts for: "nan" leaves it out; "zero" counts AP 0 and divides by
            all labels, as published code does.
    Returns:
        A fraction in [0, 1]; NaN if no label has a positive and `absent` is "nan".
    Raises:
        ValueError: as `average_precision`, or an unknown `absent`.
    """
    return mean_over_labels(average_precision(scores, targets), absent)


def mean_over_labels(values: Float[np.ndarray, " label"], absent: str = "nan") -> float:
    """Mean of per-label values in which NaN marks a label without positives; `absent` as above."""
    if absent not in ABSENT:
        raise ValueError(f"unknown absent {absent!r}; known: {sorted(ABSENT)}")
    if absent == "zero":
        return float(np.nan_to_num(values).mean())
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def f1_at_k(scores: Scores, targets: Targets, k: int) -> F1:
    """Micro ("overall") F1 of the K best labels of every image.

    `precision = TP / (batch K)`, `recall = TP / positives`. Among tied scores at the K-th place the lower label
    index wins, so the result does not depend on a sort's internals.

    Args:
        scores: (batch, label).
        targets: (batch, label), 0 or 1.
        k: labels taken per image, 1 to the number of labels.
    Returns:
        F1(f1, precision, recall), fractions.
    Raises:
        ValueError: as `average_precision`; k out of range; no positives at all.
    """
    scores, targets = _checked(scores, targets)
    images, labels = scores.shape
    if not 1 <= k <= labels:
        raise ValueError(f"k = {k} is not between 1 and the {labels} labels")
    positives = int(np.count_nonzero(targets))
    if not positives:
        raise ValueError("targets hold no positive, so recall is undefined")
    hits = 0
    for start in range(0, images, 4096):
        hits += _top_k_hits(scores[start : start + 4096], targets[start : start + 4096], k)
    precision, recall = hits / (images * k), hits / positives
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return F1(f1, precision, recall)


def _top_k_hits(scores: np.ndarray, targets: np.ndarray, k: int) -> int:
    threshold = np.partition(scores, -k, axis=1)[:, -k, None]
    above, level = scores > threshold, scores == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= room))
    return int(np.count_nonzero(chosen & targets))


def chance_average_precision(targets: Targets, annotated: Targets | None = None) -> Float[np.ndarray, " label"]:
    """Expected AP of each label under a random ranking without ties.

    With n images and R positives: `H_n / n + (R - 1) / (n - 1) * (1 - H_n / n)`, H_n the n-th harmonic number.

    Args:
        targets: (batch, label), 0 or 1.
        annotated: (batch, label) bool, as of `average_precision`.
    Returns:
        (label,) float64; NaN for a label without positives.
    """
    targets = np.asarray(targets)
    images = np.full(targets.shape[1], len(targets)) if annotated is None else annotated.sum(axis=0)
    positives = (targets if annotated is None else targets * annotated).sum(axis=0, dtype=np.float64)
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, len(targets) + 1))])
    first = harmonic[images] / np.maximum(images, 1)
    rest = (positives - 1) / np.maximum(images - 1, 1)
    return np.where(positives > 0, first + rest * (1 - first), np.nan)
