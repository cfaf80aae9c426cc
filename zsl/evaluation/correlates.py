"""How the AP of labels correlates with a known property of them: rank correlation, and means by thirds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float

TESTED = 5  # labels; no order of fewer labels is rarer than one in twenty
EXACT = 8  # labels; all 40,320 orders are counted


@dataclass(frozen=True)
class Correlates:
    """How the AP of labels correlates with a known property of them.

    Args:
        correlation: Spearman's, NaN if it is not defined.
        p_value: two-sided, for no correlation; NaN for fewer than `TESTED` labels.
        labels: number of labels that have both values.
    """

    correlation: float
    p_value: float
    labels: int


def correlates(ap: Float[np.ndarray, " label"], known: Float[np.ndarray, " label"]) -> Correlates:
    """Spearman's rank correlation over the labels that have both values.

    The p-value is exact, over all orders, for up to `EXACT` labels; for more it is that of Student's t, as in scipy.

    Args:
        ap: (label,) in [0, 1]; NaN without a positive.
        known: (label,) the property; NaN if it is not known.
    """
    both = np.isfinite(ap) & np.isfinite(known)
    count = int(both.sum())
    if count < 3 or np.ptp(ap[both]) == 0 or np.ptp(known[both]) == 0:
        return Correlates(float("nan"), float("nan"), count)
    from scipy.stats import rankdata, spearmanr  # imported here, because it takes as long as all the rest

    found = spearmanr(ap[both], known[both])
    p_value = float("nan") if count < TESTED else float(found.pvalue)
    if TESTED <= count <= EXACT:
        p_value = _share_as_far_from_none(rankdata(ap[both]), rankdata(known[both]))
    return Correlates(float(found.statistic), p_value, count)


def _share_as_far_from_none(one: np.ndarray, other: np.ndarray) -> float:
    """The share of all orders of ranks whose correlation is as far from 0 as the given one."""
    one, other = one - one.mean(), other - other.mean()
    products = other[np.array(list(permutations(range(len(other)))))] @ one
    # equal ones differ by rounding
    return float((np.abs(products) >= np.abs(one @ other) - 1e-9).mean())


def by_thirds(
    ap: Float[np.ndarray, " label"],
    known: Float[np.ndarray, " label"],
    names: Sequence[str] = ("low", "middle", "high"),
) -> dict[str, tuple[float, float, float, int]]:
    """Mean AP of the labels with the lowest, middle and highest values of a property.

    Args:
        ap: (label,) in [0, 1]; NaN without a positive.
        known: (label,) the property; NaN if it is not known.
        names: of the thirds.
    Returns:
        for each third by name: its lowest and highest value, the mean AP, and the number of labels; thirds without a
        label are left out.
    """
    usable = np.flatnonzero(np.isfinite(ap) & np.isfinite(known))
    parts = np.array_split(usable[np.argsort(known[usable], kind="stable")], len(names))
    return {
        name: (float(known[rows[0]]), float(known[rows[-1]]), float(ap[rows].mean()), len(rows))
        for name, rows in zip(names, parts, strict=True)
        if len(rows)
    }
