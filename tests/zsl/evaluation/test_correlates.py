"""How AP goes with something known of labels, against scipy and by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from zsl.evaluation.correlates import by_thirds, correlates


def test_correlation_is_over_labels_that_have_both_values():
    generator = np.random.default_rng(0)
    ap, known = generator.random(23), generator.random(23)
    ap[3] = known[5] = np.nan
    both = ~np.isnan(ap + known)
    found = correlates(ap, known)
    assert found.labels == 21
    assert found.correlation == pytest.approx(spearmanr(ap[both], known[both]).statistic)
    assert np.isnan(correlates(ap, np.ones(23)).correlation)


def test_few_labels_are_tested_by_all_orders():
    ap = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert np.isnan(correlates(ap[:4], ap[:4]).p_value)  # 2 of 24 orders at best
    assert correlates(ap[:4], ap[:4]).correlation == pytest.approx(1)
    assert correlates(ap[:5], ap[:5]).p_value == pytest.approx(2 / 120)  # scipy's: 0
    # as far from none: the 5 swaps of neighbours and the best order, each turned round too
    assert correlates(ap, np.array([1, 2, 3, 4, 6, 5.0])).p_value == pytest.approx(12 / 720)
    # ties: of the 10 places for the two ones, the last two, or turned round the first two
    assert correlates(ap[:5], np.array([0, 0, 0, 1, 1.0])).p_value == pytest.approx(2 / 10)
    many = np.arange(9.0)
    assert correlates(many, many[::-1]).p_value == pytest.approx(0, abs=1e-6)
    swapped = np.array([1, 0, 3, 2, 5, 4, 7, 8, 6.0])
    assert correlates(many, swapped).p_value == spearmanr(many, swapped).pvalue


def test_thirds():
    ap, known = np.array([0.1, 0.2, 0.9, np.nan, 0.4, 0.5, 0.6]), np.array([6, 5, 1, 0, 2, 3, 4.0])
    assert by_thirds(ap, known) == {
        "low": (1, 2, pytest.approx(0.65), 2),
        "middle": (3, 4, pytest.approx(0.55), 2),
        "high": (5, 6, pytest.approx(0.15), 2),
    }
