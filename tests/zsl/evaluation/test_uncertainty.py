"""Intervals and tests against scipy and by hand."""

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_rel

from zsl.evaluation.uncertainty import (
    against_best,
    at_chance,
    centred,
    holm,
    image_weights,
    interval,
    paired_deviation,
    paired_p,
)


def test_draws_are_those_of_the_seed():
    np.testing.assert_array_equal(image_weights(29, 5), image_weights(29, 7)[:, :5])
    assert (image_weights(29, 5) != image_weights(29, 5, seed=1)).any()


def test_the_interval_is_about_the_figure():
    values = np.append(np.arange(1001) / 1000, np.nan)
    assert interval(values) == (pytest.approx(0.025), pytest.approx(0.975))
    assert interval(centred(values, 0.5)) == (pytest.approx(0.025), pytest.approx(0.975))
    moved = centred(values, 0.2)
    assert interval(moved, level=0.2) == (pytest.approx(0.1), pytest.approx(0.3))
    assert interval(moved, level=0.5) == (0, pytest.approx(0.45))  # no figure is below 0
    assert interval(moved, level=0.5, ends=(-1, 1)) == (pytest.approx(-0.05), pytest.approx(0.45))
    assert np.isnan(interval(centred(np.array([np.nan]), 0.5))).all()


def test_paired_tests():
    one, two = [0.31, 0.35, 0.29, 0.40], [0.28, 0.30, 0.29, 0.33]
    assert paired_p(one, two) == pytest.approx(ttest_rel(one, two).pvalue, abs=1e-15)
    assert np.isnan(paired_p([0.3], [0.2]))
    assert paired_p(one, one) == 1
    assert paired_p([0.5, 0.75], [0.25, 0.5]) == 0
    assert paired_p([0.3, 0.2, 0.4], [0.2, 0.1, 0.3]) == 0  # differences that are equal but for rounding
    with pytest.raises(ValueError, match="2 and 3 seeds cannot be paired"):
        paired_p([1, 2], [1, 2, 3])


def test_a_test_over_seeds_and_images():
    one, two = [0.31, 0.35], [0.20, 0.22]
    # differences 0.11 and 0.13: mean 0.12, variance 0.0002 over seeds, 0.0001 of the mean; with 0.02 ** 2 over images
    # 0.0005, so t = 0.12 / 0.02236 = 5.367 at (0.0005 / 0.0001) ** 2 = 25 degrees of freedom
    assert paired_p(one, two, 0.02) == pytest.approx(2 * t.sf(0.12 / 0.0005**0.5, 25), rel=1e-9)
    assert paired_p(one, two, 0.02) < 0.001 < 0.05 < paired_p(one, two)
    assert paired_p(one, one, 0.02) == 1
    assert paired_p([0.3, 0.4], [0.2, 0.3], 0.05) == pytest.approx(2 * norm.sf(2), rel=1e-9)  # equal over seeds
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 3, 50))
    second[1, 7] = np.nan
    expected = np.std(np.delete((first.mean(0) - second.mean(0))[:40], 7), ddof=1)
    assert paired_deviation([*first[:, :40]], [*second]) == pytest.approx(expected, rel=1e-12)
    assert paired_deviation([np.array([0.1])], [np.array([0.2])]) == 0
    best, p = against_best([one, two], replicates=[[*first[:2]], [*second[:2]]])
    assert (best, p[1]) == (0, pytest.approx(paired_p(one, two, paired_deviation([*first[:2]], [*second[:2]]))))


def test_a_test_over_seeds_and_images_rejects_as_often_as_it_says():
    """Three seeds and one test set of two equal methods: the difference of the means has both errors."""
    generator = np.random.default_rng(0)
    rejected = 0
    for _ in range(2000):
        of_images = 0.02 * generator.normal()  # the same for all seeds
        differences = of_images + 0.01 * generator.normal(size=3)
        rejected += paired_p(differences, np.zeros(3), 0.02) < 0.05
    assert 0.03 < rejected / 2000 < 0.065


def test_holm_by_hand():
    # in order 0.01, 0.02, 0.03, 0.04 by 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never less than before
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, np.nan, 0.6]), [1, np.nan, 1])


def test_variants_against_the_best():
    values = [[0.50, 0.52, 0.54], [0.51, 0.50, 0.55], [0.10, 0.121, 0.14]]
    best, p = against_best(values)
    # 0.52 is the best mean by a hair; of two tests the smaller p counts twice
    np.testing.assert_allclose(p[1:], [paired_p(values[1], values[best]), 2 * paired_p(values[2], values[best])])
    assert (best, np.isnan(p[0]), p[1] > 0.5, p[2] < 0.05) == (0, True, True, True)
    assert against_best(values, lower=True)[0] == 2
    assert against_best([[0.5], [0.5]])[0] == 0  # the first of two
    assert np.isnan(against_best([one[:1] for one in values])[1]).all()


@pytest.mark.parametrize(
    ("value", "chance", "expected"),
    [
        (0.029, 0.02, True),  # odds 0.0299 against 1.5 * 0.0204 = 0.0306
        (0.031, 0.02, False),
        (0.49, 0.4, True),  # odds 0.96 against 1.5 * 0.667 = 1
        (0.51, 0.4, False),
        (0.01, 0.02, True),
        (1.0, 0.9, False),
    ],
)
def test_without_an_interval_the_odds_of_chance_count(value, chance, expected):
    assert at_chance(value, chance) == expected


def test_with_an_interval_it_holds_chance_or_does_not():
    assert at_chance(0.5, 0.1, (0.05, 0.8))
    assert at_chance(0.05, 0.1, (0.01, 0.09))  # below it is no better
    assert not at_chance(0.12, 0.1, (0.11, 0.13))
