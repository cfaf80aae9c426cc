"""The trade-off of seen and unseen labels against recounting at every shift, and what is known of labels."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from zsl.evaluation.generalisation import by_thirds, correlates, harmonic_mean, trade_off
from zsl.metrics import F1, f1_at_k


def _random(seed, images=41, labels=13, seen=8, levels=None):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(images, labels))
    scores = (scores if levels is None else np.round(scores * levels)).astype(np.float32)
    return scores, (generator.random((images, labels)) < 0.25).astype(np.int8), seen


def _recounted(scores, targets, seen, k, shift, annotated=None):
    """Hits and taken labels, seen and unseen, with the bias taken off."""
    counts = np.zeros(4, int)
    shifted = scores.astype(np.float64)
    shifted[:, :seen] -= shift
    for image, row in enumerate(shifted):
        for label in sorted(range(len(row)), key=lambda place: (-row[place], place))[:k]:
            if annotated is None or annotated[image, label]:
                counts[[0 if label < seen else 1]] += targets[image, label]
                counts[2] += label >= seen
                counts[3] += 1
    return counts


@pytest.mark.parametrize("k", [1, 3, 5, 7, 10, 13])
@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_the_curve_is_what_recounting_gives(k, levels, partial):
    scores, targets, seen = _random(0, levels=levels)
    annotated = np.random.default_rng(1).random(scores.shape) < 0.7 if partial else None
    curve = trade_off(scores, targets, seen, k, annotated)
    shifts = np.append(curve.shifts[1:], curve.shifts[-1] + 1) if len(curve.shifts) > 1 else np.array([0.0])
    for shift in [-100, -0.3, 0.0, 0.7, 100, *shifts, *(shifts[:-1] + shifts[1:]) / 2]:
        step = curve.step(shift)
        found = [values[step] for values in (curve.seen_hits, curve.unseen_hits, curve.unseen_chosen, curve.chosen)]
        np.testing.assert_array_equal(found, _recounted(scores, targets, seen, k, shift, annotated))
    known = targets if annotated is None else targets * annotated
    assert curve.seen_positives == known[:, :seen].sum()
    assert curve.f1(curve.step(0)) == pytest.approx(f1_at_k(scores, targets, k, annotated=annotated), abs=1e-12)


def test_the_curve_by_hand():
    # image 1: seen 3 and 1, unseen 2; image 2: seen 0 and 4, unseen 1. K = 1: the unseen label comes in beyond 1 and 3
    scores = np.array([[3.0, 1.0, 2.0], [0.0, 4.0, 1.0]])
    targets = np.array([[1, 0, 0], [0, 0, 1]])
    curve = trade_off(scores, targets, 2, 1)
    np.testing.assert_array_equal(curve.shifts, [-np.inf, 1, 3])
    np.testing.assert_array_equal(curve.seen_recall, [1, 0, 0])
    np.testing.assert_array_equal(curve.unseen_recall, [0, 0, 1])
    assert curve.area == 0
    np.testing.assert_array_equal(curve.harmonic, [0, 0, 0])
    better = trade_off(
        scores, targets[::-1], 2, 1
    )  # the unseen label of image 1 is right, and seen 0 of image 2 is not
    np.testing.assert_array_equal(better.unseen_recall, [0, 1, 1])
    assert curve.f1(2, "unseen") == F1(pytest.approx(2 / 3), 0.5, 1.0)
    assert curve.f1(0, "seen") == F1(pytest.approx(2 / 3), 0.5, 1.0)


def test_area_and_the_shifts_of_an_entry():
    scores = np.array([[3.0, 0.0, 2.0], [3.0, 0.0, -4.0]])
    targets = np.array([[0, 0, 1], [1, 0, 0]])
    curve = trade_off(scores, targets, 2, 1)
    # recalls (seen, unseen): (1, 0), beyond 1 (1, 1), beyond 7 (0, 1): the whole square
    np.testing.assert_array_equal(curve.shifts, [-np.inf, 1, 7])
    assert curve.area == 1
    assert [curve.inside(step) for step in (0, 1)] == [1, 4]  # an end belongs to the entry before it
    assert curve.step(curve.inside(2)) == 2
    assert curve.harmonic[curve.step(4)] == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_inside_an_entry_does_what_it_says(seed):
    scores, targets, seen = _random(seed, levels=3)
    curve = trade_off(scores, targets, seen, 3)
    counts = _recounted(scores, targets, seen, 3, curve.inside(int(curve.harmonic.argmax())))
    best = harmonic_mean(counts[0] / targets[:, :seen].sum(), counts[1] / targets[:, seen:].sum())
    assert best == pytest.approx(curve.harmonic.max(), abs=1e-12)
    assert 0 <= curve.area <= 1
    # seen recall falls and unseen recall rises
    assert (np.diff(curve.seen_recall) <= 0).all()
    assert (np.diff(curve.unseen_recall) >= 0).all()


def test_a_trade_off_needs_both_kinds_of_labels():
    scores, targets, _ = _random(0)
    for seen in (0, 13):
        with pytest.raises(ValueError, match=f"{seen} of 13 labels are seen"):
            trade_off(scores, targets, seen, 3)
    with pytest.raises(ValueError, match="k = 14 is not between"):
        trade_off(scores, targets, 5, 14)
    scores[40, 2] = np.nan
    with pytest.raises(ValueError, match="first at row 40, label 2"):
        trade_off(scores, targets, 5, 3)


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
