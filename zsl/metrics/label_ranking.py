"""How each image's labels are ranked: ranking loss, coverage and label-ranking AP, as scikit-learn defines them.

scikit-learn loops over the images in Python, which takes minutes for a large test set; here each positive is compared
with all labels of its image at once.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.average_precision import average_precision

ENTRIES = 1 << 22  # entries that are compared at once


class LabelRanking(NamedTuple):
    """Means over images.

    Args:
        loss: share of (positive, negative) label pairs in the wrong order or tied; 0 for an image without a pair.
        coverage: how many of the best labels are needed to include all positives; 0 for an image without a positive.
        average_precision: label-ranking AP; 1 for an image without a positive or without a negative.
    """

    loss: float
    coverage: float
    average_precision: float


def label_ranking(scores: Scores, targets: Targets) -> LabelRanking:
    """Ranking loss, coverage and label-ranking average precision.

    Args:
        scores: (batch, label), numpy or torch.
        targets: (batch, label), 0 or 1.
    Returns:
        the three means.
    Raises:
        ValueError: shapes differ, targets are not binary, or a score is not finite.
    """
    values = as_scores(as_array(scores))
    truth = as_binary(targets, values.shape)
    parts = []
    for rows in row_blocks(len(values)):
        check_finite(values[rows], rows.start)
        parts.append(ranking_of_images(values[rows], truth[rows]))
    return mean_over_images(np.concatenate(parts))


def image_average_precision(
    scores: Scores, targets: Targets, annotated: Targets | None = None
) -> Float[np.ndarray, " batch"]:
    """Average precision of each image's label ranking; tied scores share a threshold.

    Args:
        scores: (batch, label), numpy or torch.
        targets: (batch, label), 0 or 1.
        annotated: (batch, label) bool; labels that nobody annotated in an image are left out of its ranking. None means
            that all entries are annotated.
    Returns:
        (batch,) in [0, 1]; NaN for an image without a positive.
    Raises:
        ValueError: shapes differ, targets are not binary, or a score is not finite.
    """
    values = as_scores(as_array(scores))
    truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
    found = np.full(len(values), np.nan)
    for rows in row_blocks(len(values)):
        check_finite(values[rows], rows.start)
        mask = None if known is None else known[rows].T
        found[rows] = average_precision(values[rows].T, truth[rows].T, mask)
    return found


def ranking_of_images(scores: np.ndarray, targets: np.ndarray) -> Float[np.ndarray, "batch 3"]:
    """The three measures of each image."""
    images, labels = scores.shape
    rows, columns = np.nonzero(targets)
    above, hits = np.empty(len(rows)), np.empty(len(rows))  # labels and positives as high as each positive, or higher
    step = max(1, ENTRIES // labels)
    for start in range(0, len(rows), step):
        own = slice(start, start + step)
        reached = scores[rows[own]] >= scores[rows[own], columns[own], None]
        above[own] = np.count_nonzero(reached, axis=1)
        hits[own] = np.count_nonzero(reached & targets[rows[own]], axis=1)
    positives = np.bincount(rows, minlength=images)
    pairs = positives * (labels - positives)
    loss = np.bincount(rows, above - hits, images) / np.maximum(pairs, 1)
    coverage = np.zeros(images)
    np.maximum.at(coverage, rows, above)
    precision = np.bincount(rows, hits / above, images) / np.maximum(positives, 1)
    return np.stack([loss, coverage, np.where(pairs > 0, precision, 1.0)], axis=1)


def mean_over_images(values: Float[np.ndarray, "batch 3"]) -> LabelRanking:
    """The means; the sums are exact, so the order of the images makes no difference."""
    return LabelRanking(*(math.fsum(column) / len(values) for column in values.T.tolist()))
