"""The bootstrap against rows that are really repeated."""

import numpy as np
import pytest

from zsl.evaluation.bootstrap import REPLICATES, bootstrap_average_precision, bootstrap_f1_at_k
from zsl.evaluation.uncertainty import centred, image_weights, interval
from zsl.metrics.average_precision import average_precision
from zsl.metrics.f1 import f1_at_k


def _random(levels=None, images=53, labels=7):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(images, labels)).astype(np.float32)
    targets = generator.random(scores.shape) < np.linspace(0, 0.3, labels)
    return (scores if levels is None else np.round(scores * levels)), targets


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_weights_equal_repeated_rows(levels, partial):
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


def test_intervals_of_f1_are_fractions():
    # one hit in two positives, of 9 images: a third of the replicates have F1 = 0
    scores = np.eye(9, 3, dtype=np.float32)
    targets = np.zeros((9, 3), bool)
    targets[0, 0] = targets[1, 2] = True
    low, high = interval(bootstrap_f1_at_k(scores, targets, 1, image_weights(9, 100)))
    assert low == 0
    assert f1_at_k(scores, targets, 1).f1 < high <= 1


def test_intervals_have_about_their_nominal_coverage():
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
