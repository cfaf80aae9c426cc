"""Metrics in each replicate of the bootstrap over test images."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float

from zsl.evaluation.uncertainty import Weights
from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.f1 import as_tensors, best_labels

REPLICATES = 64  # replicates that are summed at once: a cache line of weights


def bootstrap_average_precision(
    scores: Scores, targets: Targets, weights: Weights, annotated: Targets | None = None
) -> Float[np.ndarray, "replicate label"]:
    """AP of each label in each replicate, as if each image were repeated as often as it was drawn.

    Args:
        scores: (batch, label), higher is more likely.
        targets: (batch, label), 0 or 1.
        weights: (batch, replicate) of `image_weights`.
        annotated: (batch, label) bool, same as for `zsl.metrics.average_precision.average_precision`.
    Returns:
        float64; NaN if a replicate shows no positive of a label.
    Raises:
        ValueError: same as for `zsl.metrics.average_precision.average_precision`.
    """
    values = as_scores(as_array(scores))
    truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
    check_finite(values)
    result = np.full((weights.shape[1], values.shape[1]), np.nan)

    def work(label: int) -> None:
        positive = np.flatnonzero(truth[:, label] if known is None else truth[:, label] & known[:, label])
        if len(positive):
            ranking = values[:, label]
            candidate = ranking >= ranking[positive].min()  # images below every positive enter no precision
            if known is not None:
                candidate &= known[:, label]
            result[:, label] = _weighted(ranking, positive, np.flatnonzero(candidate), weights)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(work, range(values.shape[1])))
    return result


def _weighted(ranking: np.ndarray, positive: np.ndarray, candidates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AP of one label in each replicate."""
    order = candidates[np.argsort(-ranking[candidates], kind="stable")]
    levels, group = np.unique(-ranking[positive], return_inverse=True)  # thresholds, the highest score first
    ends = np.searchsorted(-ranking[order], levels, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    parts = []
    for first in range(0, weights.shape[1], REPLICATES):
        drawn = weights[:, first : first + REPLICATES]
        # images between two thresholds, then all above each
        above = np.cumsum(np.add.reduceat(drawn[order], starts, axis=0, dtype=np.int64), axis=0)
        own = np.zeros((len(levels), drawn.shape[1]), np.int64)
        np.add.at(own, group, drawn[positive].astype(np.int64))
        with np.errstate(invalid="ignore"):  # nothing drawn so far: its weight is 0 too
            precision = np.nan_to_num(np.cumsum(own, axis=0) / above)
            parts.append((own * precision).sum(axis=0) / own.sum(axis=0))
    return np.concatenate(parts)


def bootstrap_f1_at_k(
    scores: Scores, targets: Targets, k: int, weights: Weights, annotated: Targets | None = None
) -> Float[np.ndarray, " replicate"]:
    """Micro F1@K in each replicate; NaN if a replicate shows no positive.

    Args:
        scores, targets, k, annotated: same as for `zsl.metrics.f1.f1_at_k`.
        weights: (batch, replicate) of `image_weights`.
    """
    values, truth, known = as_tensors(scores, targets, annotated)
    per_image = []
    for rows in row_blocks(len(values)):
        best = best_labels(values[rows], k)
        taken = torch.ones_like(best, dtype=torch.bool) if known is None else known[rows].gather(1, best)
        shown = truth[rows] if known is None else truth[rows] & known[rows]
        per_image.append(torch.stack([(shown.gather(1, best) & taken).sum(1), taken.sum(1), shown.sum(1)]))
    hits, chosen, positives = torch.cat(per_image, dim=1).cpu().numpy().astype(np.float64) @ weights
    # F1 = 2 TP / (chosen + positives)
    return np.divide(2 * hits, chosen + positives, out=np.full(len(hits), np.nan), where=positives > 0)
