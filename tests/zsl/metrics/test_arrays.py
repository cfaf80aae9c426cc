"""What metrics refuse, and annotations that leave entries out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    precision_recall_fscore_support,
)

from tests.zsl.metrics.random_scores import random_scores
from zsl.metrics import device
from zsl.metrics.average_precision import average_precision, mean_average_precision
from zsl.metrics.f1 import f1_at_k, top_k_counts
from zsl.metrics.label_ranking import label_ranking


def _best(scores, k):
    chosen = np.zeros(scores.shape, bool)
    for image, row in enumerate(scores):
        chosen[image, sorted(range(len(row)), key=lambda label: (-row[label], label))[:k]] = True
    return chosen


def test_partial_annotations_leave_entries_out():
    scores, targets = random_scores(5, levels=3)
    annotated = np.random.default_rng(6).random(scores.shape) < 0.6
    expected = [
        average_precision_score(t[a], s[a]) if t[a].any() else np.nan
        for s, t, a in zip(scores.T, targets.T, annotated.T, strict=True)
    ]
    np.testing.assert_allclose(average_precision(scores, targets, annotated), expected, rtol=0, atol=1e-12)
    micro = mean_average_precision(scores, targets, average="micro", annotated=annotated)
    assert micro == pytest.approx(average_precision_score(targets[annotated], scores[annotated]), abs=1e-12)
    weights = (targets * annotated).sum(0)
    weighted = mean_average_precision(scores, targets, average="weighted", annotated=annotated)
    assert weighted == pytest.approx(np.nansum(expected * weights) / weights.sum(), abs=1e-12)
    taken = _best(scores, 4) & annotated
    result = f1_at_k(scores, targets, 4, "macro", annotated)
    expected = precision_recall_fscore_support(targets * annotated, taken, average="macro", zero_division=0)
    np.testing.assert_allclose(result, np.array(expected[:3])[[2, 0, 1]].astype(float), atol=1e-12)


def test_bad_input():
    scores, targets = random_scores(0)
    with pytest.raises(ValueError, match="one .* shape"):
        average_precision(scores[:, :-1], targets)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        average_precision(scores, targets * 2)
    for value, told in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")):
        scores[7, 2] = value
        for measure in (average_precision, label_ranking, lambda s, t: f1_at_k(s, t, 2), device.average_precision):
            given = (
                (scores, targets) if measure is not device.average_precision else map(torch.tensor, (scores, targets))
            )
            with pytest.raises(ValueError, match=rf"hold (?i:{told}), first at row 7, label 2"):
                measure(*given)
    scores, targets = random_scores(0)
    with pytest.raises(ValueError, match=r"must be \(batch, label\), got shape \(211,\)"):
        average_precision(scores[:, 0], targets[:, 0])
    with pytest.raises(ValueError, match="targets must be 0 or 1, but row 0, label 5 holds 2"):
        top_k_counts(scores, targets * 2, (1,))
    with pytest.raises(ValueError, match="unknown average 'samples'; known"):
        f1_at_k(scores, targets, 3, "samples")
    with pytest.raises(ValueError, match="unknown average 'samples'; known"):
        mean_average_precision(scores, targets, average="samples")
    for k in (0, 18):
        with pytest.raises(ValueError, match="not between 1 and the 17 labels"):
            f1_at_k(scores, targets, k)
    with pytest.raises(ValueError, match="no positive"):
        f1_at_k(scores, np.zeros_like(targets), 3)
    with pytest.raises(ValueError, match="unknown absent 'none'; known"):
        mean_average_precision(scores, targets, absent="none")
