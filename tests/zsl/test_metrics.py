"""AP against scikit-learn, F1@K against a loop, and the corners."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from zsl.metrics import (
    average_precision,
    chance_average_precision,
    f1_at_k,
    mean_average_precision,
)


def _random(seed, images=211, labels=17, levels=None):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(images, labels)).astype(np.float32)
    if levels:
        scores = np.round(scores * levels) / levels
    targets = (generator.random((images, labels)) < 0.1).astype(np.uint8)
    targets[:, 3] = 0
    targets[:, 5] = 1
    return scores, targets


@pytest.mark.parametrize("levels", [None, 2, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_scikit_learn(seed, levels):
    scores, targets = _random(seed, levels=levels)
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
    scores, targets = _random(0, levels=2)
    order = np.random.default_rng(1).permutation(len(scores))
    np.testing.assert_array_equal(average_precision(scores, targets), average_precision(scores[order], targets[order]))


def test_labels_without_positives_are_left_out_or_count_zero():
    scores, targets = _random(0)
    per_label = average_precision(scores, targets)
    assert mean_average_precision(scores, targets) == pytest.approx(np.nanmean(per_label), abs=1e-15)
    assert mean_average_precision(scores, targets, absent="zero") == pytest.approx(
        np.nansum(per_label) / len(per_label), abs=1e-15
    )
    assert np.isnan(mean_average_precision(scores, np.zeros_like(targets)))


@pytest.mark.parametrize("k", [1, 3, 17])
@pytest.mark.parametrize("levels", [None, 1])
def test_f1_is_that_of_a_loop(k, levels):
    scores, targets = _random(2, levels=levels)
    hits = 0
    for row, truth in zip(scores, targets, strict=True):
        best = sorted(range(len(row)), key=lambda label: (-row[label], label))[:k]
        hits += sum(int(truth[label]) for label in best)
    precision, recall = hits / (len(scores) * k), hits / targets.sum()
    np.testing.assert_allclose(
        f1_at_k(scores, targets, k), (2 * precision * recall / (precision + recall), precision, recall), atol=1e-15
    )


def test_chance_is_the_mean_over_all_rankings():
    generator = np.random.default_rng(0)
    targets = np.zeros((7, 3), int)
    targets[:1, 0] = targets[:3, 1] = 1
    scores = [generator.permuted(np.tile(np.arange(7.0)[:, None], 3), axis=0) for _ in range(20_000)]
    mean = np.mean([average_precision(s, targets)[:2] for s in scores], axis=0)
    np.testing.assert_allclose(chance_average_precision(targets)[:2], mean, atol=0.006)
    assert np.isnan(chance_average_precision(targets)[2])


def test_bad_input():
    scores, targets = _random(0)
    with pytest.raises(ValueError, match="one .* shape"):
        average_precision(scores[:, :-1], targets)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        average_precision(scores, targets * 2)
    scores[7, 2] = np.nan
    with pytest.raises(ValueError, match="NaN, first at row 7, label 2"):
        average_precision(scores, targets)
    scores, targets = _random(0)
    for k in (0, 18):
        with pytest.raises(ValueError, match="not between 1 and the 17 labels"):
            f1_at_k(scores, targets, k)
    with pytest.raises(ValueError, match="no positive"):
        f1_at_k(scores, np.zeros_like(targets), 3)
    with pytest.raises(ValueError, match="unknown absent 'none'; known"):
        mean_average_precision(scores, targets, absent="none")
