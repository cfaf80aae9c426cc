"""F1 against a loop over images and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import (
    f1_score,
    precision_recall_fscore_support,
)

from tests.zsl.metrics.random_scores import random_scores
from zsl.metrics.f1 import f1_at_k, f1_at_threshold


def _best(scores, k):
    chosen = np.zeros(scores.shape, bool)
    for image, row in enumerate(scores):
        chosen[image, sorted(range(len(row)), key=lambda label: (-row[label], label))[:k]] = True
    return chosen


@pytest.mark.parametrize("k", [1, 3, 17])
@pytest.mark.parametrize("levels", [None, 1])
def test_f1_is_that_of_a_loop(k, levels):
    scores, targets = random_scores(2, levels=levels)
    hits = 0
    for row, truth in zip(scores, targets, strict=True):
        best = sorted(range(len(row)), key=lambda label: (-row[label], label))[:k]
        hits += sum(int(truth[label]) for label in best)
    precision, recall = hits / (len(scores) * k), hits / targets.sum()
    np.testing.assert_allclose(
        f1_at_k(scores, targets, k), (2 * precision * recall / (precision + recall), precision, recall), atol=1e-15
    )


@pytest.mark.parametrize("average", ["micro", "macro", "label"])
@pytest.mark.parametrize("levels", [None, 1])
def test_f1_is_that_of_scikit_learn(average, levels):
    scores, targets = random_scores(7, levels=levels)
    known = {"micro": "micro", "macro": "macro", "label": None}[average]
    for chosen, result in (
        (_best(scores, 5), f1_at_k(scores, targets, 5, average)),
        (scores > 0.5, f1_at_threshold(scores, targets, 0.5, average)),
    ):
        expected = precision_recall_fscore_support(targets, chosen, average=known, zero_division=0)
        for value, place in zip(result, (2, 0, 1), strict=True):
            np.testing.assert_allclose(value, expected[place], rtol=0, atol=1e-12)
    flat = np.zeros_like(scores)  # constant scores: the first labels are taken
    assert f1_at_k(flat, targets, 3).f1 == pytest.approx(
        f1_score(targets, np.arange(targets.shape[1]) < np.full((len(flat), 1), 3), average="micro"), abs=1e-12
    )
