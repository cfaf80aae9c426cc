"""The bootstrap against rows that are really repeated; tests against scipy and by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from zsl.evaluation.uncertainty import (
    REPLICATES,
    at_chance,
    bootstrap_average_precision,
    bootstrap_f1_at_k,
    centred,
    holm,
    image_weights,
    interval,
    not_told_apart,
    paired_p,
)
from zsl.metrics import average_precision, f1_at_k


def _random(levels=None, images=53, labels=7):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(images, labels)).astype(np.float32)
    targets = generator.random(scores.shape) < np.linspace(0, 0.3, labels)
    return (scores if levels is None else np.round(scores * levels)), targets


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_weights_are_rows_that_stand_so_often(levels, partial):
    scores, targets = _random(levels)
    annotated = np.random.default_rng(1).random(scores.shape) < 0.7 if partial else None
    weights = image_weights(len(scores), REPLICATES + 3)
    assert (weights.sum(0) == len(scores)).all()
    ap = bootstrap_average_precision(scores, targets, weights, annotated)
    f1 = bootstrap_f1_at_k(scores, targets, 3, weights, annotated)
    for replicate in (0, 1, REPLICATES, REPLICATES + 2):
        rows = np.repeat(np.arange(len(scores)), weights[:, replicate])
        known = None if annotated is None else annotated[rows]
        expected = average_precision(scores[rows], targets[rows], known)
        np.testing.assert_allclose(ap[replicate], expected, rtol=0, atol=1e-12)
        assert f1[replicate] == pytest.approx(f1_at_k(scores[rows], targets[rows], 3, annotated=known).f1, abs=1e-12)


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


def test_intervals_of_f1_are_fractions():
    # one hit in two positives, of 9 images: a third of the replicates have F1 = 0
    scores = np.eye(9, 3, dtype=np.float32)
    targets = np.zeros((9, 3), bool)
    targets[0, 0] = targets[1, 2] = True
    low, high = interval(bootstrap_f1_at_k(scores, targets, 1, image_weights(9, 100)))
    assert low == 0
    assert f1_at_k(scores, targets, 1).f1 < high <= 1


def test_intervals_hold_the_expected_figure_about_as_often_as_they_say():
    generator = np.random.default_rng(0)
    strength = generator.random(11) * 3

    def draw():
        targets = generator.random((150, 11)) < 0.05
        return generator.normal(size=targets.shape) + strength * targets, targets

    expected = np.mean([np.nanmean(average_precision(*draw())) for _ in range(300)])
    held = 0
    for _ in range(60):
        scores, targets = draw()
        ap = bootstrap_average_precision(scores, targets, image_weights(150, 100))
        low, high = interval(centred(np.nanmean(ap, axis=1), float(np.nanmean(average_precision(scores, targets)))))
        held += low <= expected <= high
    assert held >= 49  # of 60; 57 would be 95 %


def test_paired_tests():
    one, two = [0.31, 0.35, 0.29, 0.40], [0.28, 0.30, 0.29, 0.33]
    assert paired_p(one, two) == pytest.approx(ttest_rel(one, two).pvalue, abs=1e-15)
    assert np.isnan(paired_p([0.3], [0.2]))
    assert paired_p(one, one) == 1
    assert paired_p([0.5, 0.75], [0.25, 0.5]) == 0
    assert paired_p([0.3, 0.2, 0.4], [0.2, 0.1, 0.3]) == 0  # differences that are equal but for rounding
    with pytest.raises(ValueError, match="2 and 3 seeds cannot be paired"):
        paired_p([1, 2], [1, 2, 3])


def test_holm_by_hand():
    # in order 0.01, 0.02, 0.03, 0.04 by 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never less than before
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, np.nan, 0.6]), [1, np.nan, 1])


def test_variants_that_seeds_do_not_tell_apart():
    values = {"a": [0.50, 0.52, 0.54], "b": [0.51, 0.50, 0.55], "c": [0.10, 0.121, 0.14]}
    alike = not_told_apart(values)
    assert alike.keys() == {"b"}  # whose mean is a little lower; c is far off
    assert alike["b"] > 0.5
    assert not_told_apart({name: v[:1] for name, v in values.items()}) == {}


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
