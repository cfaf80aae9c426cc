"""Thresholds against a loop over all candidates and scikit-learn's F1."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from zsl.evaluation.threshold_choice import best_threshold, label_thresholds


@pytest.mark.parametrize("levels", [3, 11, 100_000])
def test_no_threshold_has_a_higher_f1(levels):
    generator = np.random.default_rng(levels)
    probabilities = generator.integers(0, levels, 211) / levels  # with ties
    targets = generator.random(211) < probabilities**2 + 0.05
    found = best_threshold(probabilities, targets)
    best = max(f1_score(targets, probabilities > end) for end in [*np.unique(probabilities)])
    assert f1_score(targets, probabilities > found) == pytest.approx(best)
    assert not np.isin(found, probabilities) or found == 0


def test_thresholds_by_hand():
    # above 0.6: 1 hit of 1 taken, F1 = 2/3; above 0.35: 2 of 3, F1 = 4/5; above 0.2: 2 of 4, F1 = 4/6
    values, targets = np.array([0.9, 0.3, 0.5, 0.4]), np.array([True, False, False, True])
    assert best_threshold(values, targets) == pytest.approx(0.35)
    assert best_threshold(np.array([0.4, 0.6]), np.array([True, True])) == pytest.approx(0.2)  # all are taken
    assert best_threshold(np.zeros(3), np.array([True, False, True])) == 0
    close = np.array([0.5, np.nextafter(0.5, 0)])
    assert (close > best_threshold(close, np.array([True, False]))).tolist() == [True, False]
    with pytest.raises(ValueError, match="needs a positive"):
        best_threshold(values, np.zeros(4, bool))


def _labels(cuts, images=600, seed=0):
    """Labels of probabilities that are positive above a cut of their own, with some noise."""
    generator = np.random.default_rng(seed)
    probabilities = generator.random((images, len(cuts)))
    targets = (probabilities > np.array(cuts)) ^ (generator.random(probabilities.shape) < 0.02)
    return probabilities, targets


def test_labels_with_cuts_of_their_own_have_thresholds_of_their_own():
    probabilities, targets = _labels([0.3, 0.9, 0.6])
    targets[:, 2] &= np.arange(600) < 10  # too few positives
    common = best_threshold(probabilities.ravel(), targets.ravel())
    found = label_thresholds(probabilities, targets, common, least=20)
    assert found.enough == 2
    assert found.weight == 1
    assert found.f1[1.0] > found.f1[0.5] > found.f1[0.0]
    assert list(found.thresholds) == [0, 1]
    for column, threshold in found.thresholds.items():
        assert threshold == pytest.approx(best_threshold(probabilities[:, column], targets[:, column]))


def test_labels_of_one_cut_keep_the_common_threshold():
    generator = np.random.default_rng(3)
    probabilities = generator.random((30, 61))
    targets = generator.random((30, 61)) < probabilities  # each label's own best threshold is noise
    common = best_threshold(probabilities.ravel(), targets.ravel())
    found = label_thresholds(probabilities, targets, common, least=5)
    assert found.enough == 61
    assert found.weight == 0
    assert found.f1[0.0] > found.f1[1.0]
    assert found.thresholds == {}
    assert label_thresholds(probabilities, targets, common, least=31).enough == 0


def test_entries_that_nobody_annotated_choose_nothing():
    probabilities, targets = _labels([0.3, 0.9])
    known = np.random.default_rng(3).random(targets.shape) < 0.7
    spoilt = np.where(known, targets, ~targets)
    one = label_thresholds(probabilities, targets, 0.5, 20, known)
    assert one == label_thresholds(probabilities, spoilt, 0.5, 20, known)
    column = probabilities[known[:, 0], 0], targets[known[:, 0], 0]
    assert one.thresholds[0] == pytest.approx(best_threshold(*column))
