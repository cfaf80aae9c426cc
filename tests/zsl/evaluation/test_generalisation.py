"""The trade-off of seen and unseen labels against recounting at every shift."""

import numpy as np
import pytest

from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.trade_off import harmonic_mean
from zsl.metrics.f1 import F1, f1_at_k


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
def test_the_curve_equals_a_recount_at_every_shift(k, levels, partial):
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
def test_a_shift_inside_an_entry_gives_the_counts_of_the_entry(seed):
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
