"""Chance against the mean over rankings, and by hand."""

import numpy as np
import pytest

from zsl.metrics.average_precision import average_precision
from zsl.metrics.chance import chance_average_precision, chance_f1_at_k


def test_chance_is_the_mean_over_all_rankings():
    generator = np.random.default_rng(0)
    targets = np.zeros((7, 3), int)
    targets[:1, 0] = targets[:3, 1] = 1
    rankings = generator.permuted(np.tile(np.arange(7.0)[:, None], 40_000), axis=0)  # each a label of its own
    mean = average_precision(rankings, np.repeat(targets[:, :2], 20_000, axis=1)).reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(chance_average_precision(targets)[:2], mean, atol=0.006)
    assert np.isnan(chance_average_precision(targets)[2])


def test_chance_of_f1():
    targets = np.array([[1, 0, 0, 1], [0, 0, 1, 0]])
    # precision 3/8, recall 2/4
    assert chance_f1_at_k(targets, 2) == pytest.approx(2 * 3 / 8 * 0.5 / (3 / 8 + 0.5))
    annotated = np.array([[1, 0, 1, 1], [1, 1, 0, 0]])
    assert chance_f1_at_k(targets, 2, annotated) == pytest.approx(2 * 2 / 5 * 0.5 / (2 / 5 + 0.5))
