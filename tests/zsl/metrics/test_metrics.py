"""Every metric against scikit-learn, on numpy arrays, tensors and batches, and the corners."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    f1_score,
    label_ranking_average_precision_score,
    label_ranking_loss,
    precision_recall_fscore_support,
)

from zsl.metrics import (
    MetricStream,
    average_precision,
    chance_average_precision,
    chance_f1_at_k,
    counts,
    device,
    f1_at_k,
    f1_at_threshold,
    label_ranking,
    mean_average_precision,
    precision,
    top_k_counts,
)
from zsl.metrics.precision import BINS, FEW


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
    rankings = generator.permuted(np.tile(np.arange(7.0)[:, None], 40_000), axis=0)  # each a label of its own
    mean = average_precision(rankings, np.repeat(targets[:, :2], 20_000, axis=1)).reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(chance_average_precision(targets)[:2], mean, atol=0.006)
    assert np.isnan(chance_average_precision(targets)[2])


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
    scores, targets = _random(4, levels=levels)
    present = targets.any(0)
    for average in ("macro", "weighted", "micro"):
        expected = average_precision_score(targets[:, present], scores[:, present], average=average)
        if average == "micro":  # entries of absent labels are entries too
            expected = average_precision_score(targets.ravel(), scores.ravel())
        assert mean_average_precision(scores, targets, average=average) == pytest.approx(expected, abs=1e-12)
    assert mean_average_precision(scores, 0 * targets, "zero", "micro") == 0


def test_partial_annotations_leave_entries_out():
    scores, targets = _random(5, levels=3)
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


def _best(scores, k):
    chosen = np.zeros(scores.shape, bool)
    for image, row in enumerate(scores):
        chosen[image, sorted(range(len(row)), key=lambda label: (-row[label], label))[:k]] = True
    return chosen


@pytest.mark.parametrize("average", ["micro", "macro", "label"])
@pytest.mark.parametrize("levels", [None, 1])
def test_f1_is_that_of_scikit_learn(average, levels):
    scores, targets = _random(7, levels=levels)
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
def test_tensors_give_what_arrays_give(levels, partial, monkeypatch):
    scores, targets = _random(8, images=2 * FEW + 1, levels=levels)
    annotated = np.random.default_rng(9).random(scores.shape) < 0.7 if partial else None
    mask = None if annotated is None else torch.from_numpy(annotated)
    tensors = torch.from_numpy(scores), torch.from_numpy(targets)
    expected = average_precision(scores, targets, annotated)
    np.testing.assert_array_equal(average_precision(*tensors, mask).numpy(), expected)
    assert f1_at_k(*tensors, 3, annotated=mask) == f1_at_k(scores, targets, 3, annotated=annotated)
    assert label_ranking(*tensors) == label_ranking(scores, targets)
    # what an accelerator would compute, here
    monkeypatch.setattr(precision, "on_device", lambda values: isinstance(values, torch.Tensor))
    monkeypatch.setattr(counts, "on_device", lambda values: isinstance(values, torch.Tensor))
    for block in (device.BLOCK, 7 * len(scores)):
        monkeypatch.setattr(device, "BLOCK", block)
        np.testing.assert_allclose(average_precision(*tensors, mask).numpy(), expected, rtol=0, atol=1e-12)
    for average in ("macro", "weighted", "micro"):
        there = mean_average_precision(*tensors, "zero", average, mask)
        assert there == pytest.approx(mean_average_precision(scores, targets, "zero", average, annotated), abs=1e-12)
    assert f1_at_k(*tensors, 3, annotated=mask) == f1_at_k(scores, targets, 3, annotated=annotated)
    there = f1_at_threshold(*tensors, 0.1, annotated=mask)
    assert there == f1_at_threshold(scores, targets, 0.1, annotated=annotated)


def test_half_precision_and_whole_numbers_are_scores_too():
    scores, targets = _random(10)
    half = torch.from_numpy(scores).bfloat16()
    np.testing.assert_array_equal(
        average_precision(half, torch.from_numpy(targets)).numpy(), average_precision(half.float().numpy(), targets)
    )
    ranks = scores.argsort(0).argsort(0)
    np.testing.assert_array_equal(average_precision(ranks, targets), average_precision(scores, targets))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("sizes", [(211,), (1, 90, 120), (50, 161)])
def test_a_stream_of_batches_gives_what_the_whole_gives(sizes, partial):
    scores, targets = _random(11, levels=3)
    annotated = np.random.default_rng(12).random(scores.shape) < 0.7 if partial else None
    stream = MetricStream(k=(1, 4), thresholds=(0.3,), ranking=not partial)
    for rows in np.split(np.arange(211), np.cumsum(sizes)[:-1])[::-1]:
        stream.update(scores[rows], targets[rows], None if annotated is None else annotated[rows])
    np.testing.assert_array_equal(stream.average_precision(), average_precision(scores, targets, annotated))
    assert stream.at_k(4).micro() == f1_at_k(scores, targets, 4, annotated=annotated)
    assert stream.at_k(1).macro() == f1_at_k(scores, targets, 1, "macro", annotated)
    assert stream.at_threshold(0.3).micro() == f1_at_threshold(scores, targets, 0.3, annotated=annotated)
    assert stream.images == 211
    if not partial:
        np.testing.assert_allclose(stream.label_ranking(), label_ranking(scores, targets), rtol=0, atol=1e-12)


STREAMED = """
import sys
import numpy as np
from accelerate import Accelerator
from zsl.metrics import MetricStream
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == int(sys.argv[2])
generator = np.random.default_rng(0)
scores = generator.normal(size=(203, 7)).astype(np.float32)
targets = generator.random(scores.shape) < 0.2
stream = MetricStream(k=(2,), thresholds=(0.1,), ranking=True)
for number, start in enumerate(range(0, 203, 20)):
    if number % accelerator.num_processes == accelerator.process_index:
        stream.update(scores[start : start + 20], targets[start : start + 20])
stream.gather(accelerator)
if accelerator.is_main_process:
    parts = (stream.average_precision().tolist(), stream.at_k(2).micro(), stream.at_threshold(0.1).macro())
    open(sys.argv[1], "w").write(repr((parts, stream.label_ranking(), stream.images)))
accelerator.end_training()
"""


def test_two_processes_give_what_one_gives(tmp_path):
    (tmp_path / "streamed.py").write_text(STREAMED)
    for processes in (1, 2):
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [sys.executable, *launch, str(tmp_path / "streamed.py"), str(tmp_path / f"of{processes}")]
        environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
        done = subprocess.run([*command, str(processes)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "of1").read_text() == (tmp_path / "of2").read_text()


def test_a_stream_says_what_does_not_fit():
    stream = MetricStream(k=(1,))
    with pytest.raises(ValueError, match="no scores were kept"):
        stream.average_precision()
    stream.update(np.zeros((2, 3)), np.eye(3)[:2])
    with pytest.raises(ValueError, match="a batch of 2 labels follows batches of 3"):
        stream.update(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="annotated with every batch, or with none"):
        stream.update(np.zeros((2, 3)), np.zeros((2, 3)), np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="first at row 3, label 1"):
        stream.update(np.array([[0, 0, 0], [0, np.inf, 0]]), np.zeros((2, 3)))
    assert stream.images == 2


def test_chance_of_f1():
    targets = np.array([[1, 0, 0, 1], [0, 0, 1, 0]])
    # precision 3/8, recall 2/4
    assert chance_f1_at_k(targets, 2) == pytest.approx(2 * 3 / 8 * 0.5 / (3 / 8 + 0.5))
    annotated = np.array([[1, 0, 1, 1], [1, 1, 0, 0]])
    assert chance_f1_at_k(targets, 2, annotated) == pytest.approx(2 * 2 / 5 * 0.5 / (2 / 5 + 0.5))


def test_bad_input():
    scores, targets = _random(0)
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
    scores, targets = _random(0)
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
