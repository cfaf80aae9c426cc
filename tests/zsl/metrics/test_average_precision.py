"""Average precision against scikit-learn and by hand, its means, and its corners."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
)

from tests.zsl.metrics.random_scores import random_scores
from zsl.metrics.average_precision import BINS, FEW, average_precision, mean_average_precision
from zsl.metrics.f1 import f1_at_k


@pytest.mark.parametrize("levels", [None, 2, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_scikit_learn(seed, levels):
    scores, targets = random_scores(seed, levels=levels)
    result = average_precision(scores, targets)
    for label in range(targets.shape[1]):
        if label == 3:
            assert np.isnan(result[label])
        else:
            expected = average_precision_score(targets[:, label], scores[:, label])
            np.testing.assert_allclose(result[label], expected, rtol=0, atol=1e-12)


def test_average_precision_by_hand():
    # ranks of the positives: 1 and 3; precisions 1/1 and 2/3; AP = (1 + 2/3) / 2 = 5/6
    assert average_precision(np.array([[4.0], [3.0], [2.0], [1.0]]), np.array([[1], [0], [1], [0]]))[
        0
    ] == pytest.approx(5 / 6)
    # a constant score is one threshold: AP is the share of positives
    assert average_precision(np.zeros((4, 1)), np.array([[1], [0], [0], [0]]))[0] == 0.25


def test_order_of_images_does_not_matter():
    scores, targets = random_scores(0, levels=2)
    order = np.random.default_rng(1).permutation(len(scores))
    np.testing.assert_array_equal(average_precision(scores, targets), average_precision(scores[order], targets[order]))


def test_labels_without_positives_are_left_out_or_count_zero():
    scores, targets = random_scores(0)
    per_label = average_precision(scores, targets)
    assert mean_average_precision(scores, targets) == pytest.approx(np.nanmean(per_label), abs=1e-15)
    assert mean_average_precision(scores, targets, absent="zero") == pytest.approx(
        np.nansum(per_label) / len(per_label), abs=1e-15
    )
    assert np.isnan(mean_average_precision(scores, np.zeros_like(targets)))


def _reference(scores, targets):
    return np.array(
        [
            average_precision_score(truth, ranking) if truth.any() else np.nan
            for ranking, truth in zip(scores.T, targets.T, strict=True)
        ]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [None, 3, 0.3])
@pytest.mark.parametrize("power", [1, 9])
def test_average_precision_of_so_many_images_that_they_are_counted_in_bins(dtype, levels, power):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(2 * FEW + 3, 19)) ** power  # the ninth power: most share a bin, a few lie far out
    scores = (scores if levels is None else np.round(scores * levels) / levels).astype(dtype)
    targets = generator.random(scores.shape) < np.geomspace(1 / FEW, 0.3, 19)
    targets[:, 0] = False
    scores[targets] += dtype(1)
    scores[:, 3] = 7
    scores[:, 5] += 10 * BINS  # differences are rounded
    np.testing.assert_allclose(average_precision(scores, targets), _reference(scores, targets), rtol=0, atol=1e-12)


def test_scores_whose_difference_overflows_are_ranked():
    scores = np.linspace(-3e38, 3e38, 2 * FEW + 1, dtype=np.float32)[:, None]
    targets = np.arange(len(scores))[:, None] % 501 == 0
    expected = _reference(scores.astype(np.float64), targets)
    np.testing.assert_allclose(average_precision(scores, targets), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 7), (23, 1), (1, 1)])
def test_one_image_or_one_label(shape):
    scores, targets = np.random.default_rng(0).normal(size=shape), np.ones(shape, int)
    targets[:, 1:] = 0
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(average_precision(scores, targets), _reference(scores, targets), rtol=0, atol=1e-12)
    assert f1_at_k(scores, targets, 1).recall == pytest.approx(float((scores.argmax(1) == 0).mean()), abs=1e-12)


@pytest.mark.parametrize("levels", [None, 2])
def test_means_over_labels_are_those_of_scikit_learn(levels):
    scores, targets = random_scores(4, levels=levels)
    present = targets.any(0)
    for average in ("macro", "weighted", "micro"):
        expected = average_precision_score(targets[:, present], scores[:, present], average=average)
        if average == "micro":  # entries of absent labels are entries too
            expected = average_precision_score(targets.ravel(), scores.ravel())
        assert mean_average_precision(scores, targets, average=average) == pytest.approx(expected, abs=1e-12)
    assert mean_average_precision(scores, 0 * targets, "zero", "micro") == 0


def test_half_precision_and_whole_numbers_are_scores_too():
    scores, targets = random_scores(10)
    half = torch.from_numpy(scores).bfloat16()
    np.testing.assert_array_equal(
        average_precision(half, torch.from_numpy(targets)).numpy(), average_precision(half.float().numpy(), targets)
    )
    ranks = scores.argsort(0).argsort(0)
    np.testing.assert_array_equal(average_precision(ranks, targets), average_precision(scores, targets))
