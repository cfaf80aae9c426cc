"""Batches and processes against the whole."""

import numpy as np
import pytest

from tests.started import ranks
from tests.zsl.metrics.random_scores import random_scores
from zsl.metrics.average_precision import average_precision
from zsl.metrics.f1 import f1_at_k, f1_at_threshold
from zsl.metrics.label_ranking import label_ranking
from zsl.metrics.stream import MetricStream


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("sizes", [(211,), (1, 90, 120), (50, 161)])
def test_a_stream_of_batches_gives_what_the_whole_gives(sizes, partial):
    scores, targets = random_scores(11, levels=3)
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


def test_two_processes_give_what_one_gives(tmp_path):
    for processes in (1, 2):
        ranks(processes, "-m", "tests.zsl.metrics.streamed", tmp_path / f"of{processes}", processes)
    assert (tmp_path / "of1").read_text() == (tmp_path / "of2").read_text()


def test_a_stream_refuses_batches_that_do_not_fit():
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
