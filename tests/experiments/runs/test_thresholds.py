"""Thresholds from scores: of seen labels, and of unseen labels from what models without some seen labels say."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from embeddings.io.errors import InputError
from experiments.runs.folds import HeldOut, draw_labels
from experiments.runs.thresholds import choose
from tests.zsl.toy import toy_data
from zsl.data.targets import Targets

SEEN = tuple(f"label {number}" for number in range(13))
KEPT, LEFT = SEEN[:10], SEEN[10:]
BEHIND = 1.5


def _scores(seed, kept, left=0, scale=1.0, shift=0.0):
    """Logits whose positives are drawn by their sigmoid; those of left-out labels lie behind, then all are rescaled."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(-2, 2, (307, kept + left))
    truth = generator.random(logits.shape) < expit(logits)
    logits[:, kept:] -= BEHIND
    return logits * scale + shift, truth


def _held(seed, scale=1.0, shift=0.0):
    scores, truth = _scores(seed, len(KEPT), len(LEFT), scale, shift)
    return HeldOut(scores, Targets.of(truth), KEPT, LEFT)


def test_unseen_labels_get_what_left_out_ones_need():
    scores, truth = _scores(0, len(SEEN))
    choice = choose(scores, Targets.of(truth), SEEN, [_held(1), _held(2)], least=10_000)
    seen, unseen = choice.thresholds.seen, choice.thresholds.unseen
    assert seen.temperature == pytest.approx(1, rel=0.1)
    assert seen.bias == pytest.approx(0, abs=0.2)
    assert unseen.temperature == pytest.approx(1, rel=0.1)
    assert unseen.bias == pytest.approx(-BEHIND, abs=0.2)
    own, crossed, as_seen = choice.found
    assert (own.labels, crossed.labels, as_seen.labels) == (13, 6, 6)
    assert crossed.f1.f1 > as_seen.f1.f1
    assert crossed.fitted.error < 0.03 < as_seen.fitted.error
    assert choice.thresholds.by_label == {}


def test_models_may_differ_in_the_scale_of_their_logits():
    scores, truth = _scores(0, len(SEEN))
    one = choose(scores, Targets.of(truth), SEEN, [_held(1), _held(2)], least=20)
    other = choose(scores, Targets.of(truth), SEEN, [_held(1, 50.0, -7.0), _held(2, 0.01, 3.0)], least=20)
    for name in ("temperature", "bias", "threshold"):
        assert getattr(other.thresholds.unseen, name) == pytest.approx(getattr(one.thresholds.unseen, name), rel=1e-3)
    # the scale of the run's own model is that of its thresholds
    scaled = choose(100 * scores, Targets.of(truth), SEEN, [_held(1), _held(2)], least=20)
    assert scaled.thresholds.unseen.bias == pytest.approx(100 * one.thresholds.unseen.bias, rel=1e-3)


def test_each_model_is_judged_by_the_choice_of_the_other():
    scores, truth = _scores(0, len(SEEN))
    first, second = _held(1), _held(2)
    spoilt = HeldOut(
        np.concatenate([second.scores[:, :10], -second.scores[:, 10:]], axis=1), second.targets, KEPT, LEFT
    )
    both = choose(scores, Targets.of(truth), SEEN, [first, second], least=20).found[1]
    crossed = choose(scores, Targets.of(truth), SEEN, [first, spoilt], least=20).found[1]
    assert crossed.f1.f1 < both.f1.f1 - 0.1


def test_labels_that_every_image_shows_have_no_probabilities():
    scores, truth = _scores(0, len(SEEN))
    with pytest.raises(InputError, match="all 3991 validation entries .* are positive.*raise train.validation"):
        choose(scores, Targets.of(np.ones_like(truth)), SEEN, [_held(1), _held(2)], least=20)
    with pytest.raises(InputError, match="all 3991 validation entries .* are negative"):
        choose(scores, Targets.of(np.zeros_like(truth)), SEEN, [_held(1), _held(2)], least=20)


def test_labels_are_drawn_once_and_one_is_too_few():
    data = toy_data()
    first, second = draw_labels(data, 0.4)
    assert len(first) == len(second) == 3
    assert len(np.union1d(first, second)) == 6
    assert len(draw_labels(data, None)[0]) == round(3 / 11 * 8)
    with pytest.raises(InputError, match="has 1 seen label, too few for 2 models"):
        draw_labels(replace(data, seen=data.seen[:1]), None)
