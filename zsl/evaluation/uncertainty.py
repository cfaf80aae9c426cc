"""The uncertainty of figures: bootstrap intervals over test images, and paired tests over seeds."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

BETTER = 1.5  # times the odds of chance


Weights = UInt8[np.ndarray, "image replicate"]


def image_weights(images: int, replicates: int, seed: int = 0) -> UInt8[np.ndarray, "image replicate"]:
    """How often each image is drawn in each replicate of the bootstrap.

    The same images, replicates and seed give the same draws, so differences between results are paired.

    Args:
        images: number of test images.
        replicates: number of draws; each draws `images` images with replacement.
        seed: of the draws.
    Returns:
        (image, replicate) counts, 255 at most.
    """
    weights = np.empty((images, replicates), np.uint8)
    for replicate in range(replicates):
        drawn = np.random.default_rng([seed, replicate]).integers(images, size=images)
        weights[:, replicate] = np.minimum(np.bincount(drawn, minlength=images), 255)
    return weights


def centred(values: Float[np.ndarray, " replicate"], estimate: float) -> Float[np.ndarray, " replicate"]:
    """Replicates of a mean over labels, shifted so that their mean is the figure of the test images themselves.

    An image that is drawn twice ties with itself, which raises the AP of labels with few positives. Without the shift,
    the interval of their mAP may lie above the mAP. F1@K ranks the labels of one image, where there are no such ties,
    so its replicates are not shifted. Macro F1 at thresholds counts 0 for a label that a replicate does not show; its
    interval may lie below it.

    Args:
        values: (replicate,) of the metric; NaN where it is not defined.
        estimate: the figure of the test images themselves.
    """
    present = values[~np.isnan(values)]
    return values - present.mean() + estimate if len(present) else values


def interval(
    values: Float[np.ndarray, " replicate"], level: float = 0.95, ends: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """The percentile interval: how a figure would vary over other test sets with as many images.

    Args:
        values: (replicate,) of the figure; NaN values are left out.
        level: share of the replicates inside.
        ends: the lowest and the highest value that the figure can have; (-1, 1) for a difference of fractions.
    Returns:
        the lower and the upper end; NaN without a replicate.
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return float("nan"), float("nan")
    low, high = np.quantile(present, [(1 - level) / 2, (1 + level) / 2])
    # centred replicates may lie outside the ends, but the figure cannot; so cutting the interval keeps its coverage
    return float(np.clip(low, *ends)), float(np.clip(high, *ends))


def at_chance(value: float, chance: float, ends: tuple[float, float] | None = None) -> bool:
    """Whether a mAP is no better than that of a random ranking.

    With an interval, the mAP is at chance if its lower end is at most chance. Without one, it is at chance if its odds,
    m / (1 - m), are below 1.5 times the odds of chance.

    Args:
        value: the mAP, in [0, 1].
        chance: the mean mAP of a random ranking, in [0, 1].
        ends: of the mAP's interval; None without one.
    """
    if ends is not None:
        return ends[0] <= chance
    return value * (1 - chance) < BETTER * chance * (1 - value)


def paired_p(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, images: float = 0.0) -> float:
    """p-value of a two-sided paired t-test of two variants over the same seeds, and over the test images if asked.

    The variance of the mean difference is the variance over seeds, divided by their number, plus that over test sets.
    The degrees of freedom follow Welch (1947) and Satterthwaite (1946); the variance over test sets counts as known.
    Without it, this is the paired t-test over seeds.

    Args:
        first, second: one value for each seed, in the same order of seeds.
        images: standard deviation of the mean difference over test sets, as `paired_deviation` gives it; 0 asks only
            whether other seeds would change the sign on these test images.
    Returns:
        the p-value; NaN for fewer than two seeds. If nothing varies, 1 if the difference is 0, else 0.
    Raises:
        ValueError: the numbers of seeds differ.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape:
        raise ValueError(f"{len(one)} and {len(two)} seeds cannot be paired")
    if len(one) < 2:
        return float("nan")
    difference = one - two
    largest = np.abs(difference).max()
    equal = np.ptp(difference) <= 1e-12 * largest  # up to rounding
    over_seeds = 0.0 if equal else float(np.var(difference, ddof=1)) / len(difference)
    variance = over_seeds + images**2
    if variance == 0:  # there is no t-value
        return 1.0 if largest == 0 else 0.0
    from scipy.stats import norm, t  # imported here, because it takes as long as all the rest

    value = abs(float(difference.mean())) / math.sqrt(variance)
    if over_seeds == 0:
        return float(2 * norm.sf(value))
    return float(2 * t.sf(value, (len(difference) - 1) * (variance / over_seeds) ** 2))


def paired_deviation(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Standard deviation over test sets of the difference of two variants' means over seeds.

    Args:
        first, second: of each seed, (replicate,) values of the metric. Replicates of the same place are of the same
            draw of test images, so the difference is paired; further replicates of one of them are left out.
    Returns:
        the sample standard deviation; 0 with fewer than two replicates.
    """
    drawn = min(len(values) for values in (*first, *second))
    difference = np.mean([values[:drawn] for values in first], axis=0) - np.mean([v[:drawn] for v in second], axis=0)
    present = difference[~np.isnan(difference)]
    return float(np.std(present, ddof=1)) if len(present) > 1 else 0.0


def holm(p_values: Sequence[float]) -> Float[np.ndarray, " test"]:
    """p-values adjusted for the number of tests by Holm's method (1979).

    Args:
        p_values: one for each test; NaN for a test that was not made.
    Returns:
        (test,) in [0, 1]; NaN stays NaN, and does not count as a test.
    """
    values = np.asarray(p_values, np.float64)
    adjusted = np.full(len(values), np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def against_best(
    values: Sequence[Sequence[float] | np.ndarray],
    lower: bool = False,
    replicates: Sequence[Sequence[np.ndarray]] | None = None,
) -> tuple[int, Float[np.ndarray, " variant"]]:
    """The best variant, and for each other variant the p-value of its difference from the best.

    Args:
        values: of one metric: each variant's value under each seed, the same seeds in the same order.
        lower: whether lower values are better.
        replicates: of each variant and seed, (replicate,) values of the metric; None tests over seeds alone.
    Returns:
        the place of the variant with the best mean (the first of several), and for each variant the p-value of
        `paired_p` against it, adjusted by `holm`; NaN for the best itself, and for all of them under one seed.
    """
    means = [-float(np.mean(one)) if lower else float(np.mean(one)) for one in values]
    best = means.index(max(means))
    p_values = []
    for place, one in enumerate(values):
        images = 0.0 if replicates is None else paired_deviation(replicates[place], replicates[best])
        p_values.append(np.nan if place == best else paired_p(one, values[best], images))
    return best, holm(p_values)
