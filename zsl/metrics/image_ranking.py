"""How each image's labels are ranked: scikit-learn's measures, over batches."""

import math
from typing import NamedTuple

import numpy as np
from sklearn.metrics import coverage_error, label_ranking_average_precision_score, label_ranking_loss

from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_scores, check_finite, row_blocks


class LabelRanking(NamedTuple):
    """Means over images, as scikit-learn defines them.

    Args:
        loss: share of (positive, negative) label pairs that are not in order; 0 for an image without such a pair.
        coverage: how many of the best labels hold all positives; 0 for an image without one.
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
    Raises:
        ValueError: shapes differ, targets are not binary, or a score is not finite.
    """
    values = as_scores(as_array(scores))
    truth = as_binary(targets, values.shape)
    sums = []
    for rows in row_blocks(len(values)):
        check_finite(values[rows], rows.start)
        sums.append(ranking_sums(values[rows], truth[rows]))
    return mean_of_sums(sums)


def ranking_sums(scores: np.ndarray, targets: np.ndarray) -> tuple[float, float, float, int]:
    """The three sums over the images of a batch, and how many there are."""
    images, labels = scores.shape
    if labels == 1:  # which scikit-learn takes for a single-label problem: no pair is out of order
        return 0.0, float(targets.sum()), float(images), images
    measures = (label_ranking_loss, coverage_error, label_ranking_average_precision_score)
    loss, coverage, precision = (float(measure(targets, scores)) * images for measure in measures)
    return loss, coverage, precision, images


def mean_of_sums(sums: list[tuple[float, float, float, int]]) -> LabelRanking:
    """The means over all images; the order of the batches makes no difference."""
    loss, coverage, precision, images = (math.fsum(column) for column in zip(*sums, strict=True))
    return LabelRanking(loss / images, coverage / images, precision / images)
