"""Ranking loss, coverage and label-ranking AP against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    label_ranking_average_precision_score,
    label_ranking_loss,
)

from zsl.metrics.label_ranking import image_average_precision, label_ranking


@pytest.mark.parametrize("levels", [None, 2])
def test_label_ranking_is_that_of_scikit_learn(levels):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4999, 13))
    scores = scores if levels is None else np.round(scores * levels)
    targets = (generator.random(scores.shape) < 0.2).astype(int)
    expected = (
        label_ranking_loss(targets, scores),
        coverage_error(targets, scores),
        label_ranking_average_precision_score(targets, scores),
    )
    np.testing.assert_allclose(label_ranking(scores, targets), expected, rtol=0, atol=1e-12)
    one = label_ranking(scores[:, :1], targets[:, :1])
    assert one == (0.0, pytest.approx(targets[:, 0].mean()), 1.0)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_average_precision_of_each_image_is_that_of_scikit_learn(levels, partial, monkeypatch):
    monkeypatch.setattr("zsl.metrics.arrays.ROWS", 17)
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(61, 13)).astype(np.float32)
    scores = scores if levels is None else np.round(scores * levels)
    targets = generator.random(scores.shape) < 0.2
    known = generator.random(scores.shape) < (0.6 if partial else 1.0)
    found = image_average_precision(scores, targets, known if partial else None)
    without = ~(targets & known).any(1)
    assert without.any()
    np.testing.assert_array_equal(np.isnan(found), without)
    expected = [
        average_precision_score(t[k], s[k]) for s, t, k in zip(scores, targets, known, strict=True) if (t & k).any()
    ]
    np.testing.assert_allclose(found[~without], expected, rtol=0, atol=1e-12)
