"""How sure figures are: the bootstrap over test images, and paired tests over seeds."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.stats import ttest_rel

from zsl.metrics import best_labels
from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.counts import as_tensors

Weights = UInt8[np.ndarray, "image replicate"]

BETTER = 1.5  # times the odds of chance
REPLICATES = 64  # that are summed in one go: a cache line of weights


def image_weights(images: int, replicates: int, seed: int = 0) -> UInt8[np.ndarray, "image replicate"]:
    """How often each image is drawn in each replicate of the bootstrap.

    The same images, replicates and seed give the same draws, so that differences between results are paired.
    """
    weights = np.empty((images, replicates), np.uint8)
    for replicate in range(replicates):
        drawn = np.random.default_rng([seed, replicate]).integers(images, size=images)
        weights[:, replicate] = np.minimum(np.bincount(drawn, minlength=images), 255)
    return weights


def bootstrap_average_precision(
    scores: Scores, targets: Targets, weights: Weights, annotated: Targets | None = None
) -> Float[np.ndarray, "replicate label"]:
    """AP of each label in each replicate, as if every image stood there as often as it was drawn.

    Args:
        scores: (batch, label).
        targets: (batch, label), 0 or 1.
        weights: of `image_weights`.
        annotated: (batch, label) bool, as of `zsl.metrics.average_precision`.
    Returns:
        float64; NaN where a replicate shows no positive of a label.
    Raises:
        ValueError: as `zsl.metrics.average_precision`.
    """
    values = as_scores(as_array(scores))
    truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
    check_finite(values)
    result = np.full((weights.shape[1], values.shape[1]), np.nan)

    def work(label: int) -> None:
        positive = np.flatnonzero(truth[:, label] if known is None else truth[:, label] & known[:, label])
        if len(positive):
            ranking = values[:, label]
            candidate = ranking >= ranking[positive].min()  # the others are in no precision
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
    """Micro F1@K in each replicate; NaN where a replicate shows no positive.

    Args:
        scores, targets, k, annotated: as of `zsl.metrics.f1_at_k`.
        weights: of `image_weights`.
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


def centred(values: Float[np.ndarray, " replicate"], estimate: float) -> Float[np.ndarray, " replicate"]:
    """Replicates of mAP, moved so that their mean is the figure of the images as they are.

    An image that is drawn twice ties with itself, which raises the AP of labels with few positives: without the move,
    the interval of their mAP may lie above the mAP. F1@K ranks the labels of one image, where no such ties are: its
    replicates stay as they are.
    """
    present = values[~np.isnan(values)]
    return values - present.mean() + estimate if len(present) else values


def interval(
    values: Float[np.ndarray, " replicate"], level: float = 0.95, ends: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """How far a figure would vary over other test images of the same number: a percentile interval.

    Args:
        values: replicates; those without a value (NaN) are left out.
        level: share of the replicates inside.
        ends: of what the figure can be; of a difference of fractions (-1, 1).
    Returns:
        the lower and the upper end; NaN without a replicate.
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return float("nan"), float("nan")
    low, high = np.quantile(present, [(1 - level) / 2, (1 + level) / 2])
    # centred replicates may pass the ends, the figure cannot: what is cut off never holds it, so coverage stays
    return float(np.clip(low, *ends)), float(np.clip(high, *ends))


def at_chance(value: float, chance: float, ends: tuple[float, float] | None = None) -> bool:
    """Whether a mAP is no better than that of a random ranking.

    Args:
        value, chance: the mAP, and what a random ranking has on average.
        ends: of its interval, which then holds chance, or lies below it. Without one, the odds of the mAP, m / (1 - m),
            are below 1.5 times those of chance: for a low chance that is 1.5 times it, and a high one leaves room.
    """
    if ends is not None:
        return ends[0] <= chance
    return value * (1 - chance) < BETTER * chance * (1 - value)


def paired_p(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """p-value of a two-sided paired t-test of two variants over the same seeds; NaN under two seeds.

    Where all differences are equal it is 1 if they are 0, else 0.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape:
        raise ValueError(f"{len(one)} and {len(two)} seeds cannot be paired")
    if len(one) < 2:
        return float("nan")
    difference = one - two
    largest = np.abs(difference).max()
    if np.ptp(difference) <= 1e-12 * largest:  # equal but for rounding, of which no t-value can be made
        return 1.0 if largest == 0 else 0.0
    return float(ttest_rel(one, two).pvalue)


def holm(p_values: Sequence[float]) -> Float[np.ndarray, " test"]:
    """p-values adjusted for their number by Holm (1979); NaN stays NaN and counts for none."""
    values = np.asarray(p_values, np.float64)
    adjusted = np.full(len(values), np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def not_told_apart(values: Mapping[str, Sequence[float] | np.ndarray], level: float = 0.05) -> dict[str, float]:
    """Variants that seeds do not tell apart from the best one.

    Each variant is compared with the one of the highest mean by `paired_p`; the p-values are Holm's over them all.

    Args:
        values: of one metric by variant, over the same seeds.
        level: of significance.
    Returns:
        the adjusted p-value by variant, of those at `level` or above; the best one is not among them.
    """
    best = max(values, key=lambda name: float(np.mean(values[name])))
    others = [name for name in values if name != best]
    p_values = holm([paired_p(values[name], values[best]) for name in others])
    return {name: float(p) for name, p in zip(others, p_values, strict=True) if p >= level}
