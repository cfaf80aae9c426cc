"""Paired tests between variants over seeds."""

import numpy as np
from scipy.stats import ttest_rel


def paired_p(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p-value of the paired t-test; NaN under two pairs; 1 where all pairs are equal."""
    difference = np.asarray(first, float) - np.asarray(second, float)
    if len(difference) < 2:
        return float("nan")
    largest = np.abs(difference).max()
    if np.ptp(difference) <= 1e-12 * largest:  # equal but for rounding
        return float(largest == 0)
    return float(ttest_rel(first, second).pvalue)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values; NaN ones are left out of the count and stay NaN."""
    p_values = np.asarray(p_values, float)
    adjusted = np.full(p_values.shape, np.nan)
    order = [i for i in np.argsort(p_values) if not np.isnan(p_values[i])]
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted
