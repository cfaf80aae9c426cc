"""A bias that was chosen on other models: it holds for scores of any scale, and is worth nothing where none is."""

import numpy as np
import pytest

from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.seen_bias import Fold, choose

SEEN, UNSEEN = 17, 5


def _fold(generator, behind, scale=1.0, apart=0.0, known=True):
    """A model of scores that tell positives, on which unseen labels lie so far behind seen ones."""
    targets = generator.random((211, SEEN + UNSEEN)) < 0.15
    scores = targets * 2 + generator.normal(size=targets.shape)
    scores[:, SEEN:] -= behind
    scores *= scale
    scores[:, SEEN:] += apart
    return Fold(trade_off(scores, targets if known else np.zeros_like(targets), SEEN, 3), SEEN, UNSEEN), scores


def test_readiness_is_the_share_of_labels_that_are_taken():
    scores = np.array([[4.0, 3.0, 0.0, 2.0, 1.0], [4.0, 3.0, 2.0, 0.0, -1.0]])
    fold = Fold(trade_off(scores, np.ones((2, 5)), 3, 1), 3, 2)
    # differences 4 - 2 and 4 - 0: of two taken labels, 0, 1 and 2 are unseen ones. With one: of two images' 2 unseen
    # labels a half, of 3 seen ones a third
    np.testing.assert_array_equal(fold.curve.shifts, [-np.inf, 2, 4])
    np.testing.assert_allclose(fold.readiness, [0, (1 / 2) / (1 / 2 + 1 / 3), 1])
    assert [fold.shift(readiness) for readiness in (0.0, 0.59, 0.61, 0.99)] == [2, 2, 3, 3]
    assert fold.curve.step(fold.shift(1)) == 2  # beyond all differences, if only just


@pytest.mark.parametrize(("scale", "apart"), [(1, 0), (0.001, 0), (50, 0), (2, 100)])
def test_a_bias_holds_for_a_model_of_another_scale(scale, apart):
    generator = np.random.default_rng(0)
    choice = choose([_fold(generator, 1.5)[0] for _ in range(2)])
    assert choice.helps
    final, scores = _fold(generator, 1.5, scale, apart, known=False)  # what its images show has no part in it
    shift = final.shift(choice.readiness)
    # of models that differ in scale alone, that bias is right which undoes how far behind unseen labels are
    assert shift == pytest.approx(1.5 * scale - apart, abs=0.4 * scale)
    moved = scores - shift * (np.arange(SEEN + UNSEEN) < SEEN)
    taken = np.argsort(-moved, axis=1)[:, :3]
    unseen = (taken >= SEEN).mean() / UNSEEN
    assert unseen / (unseen + (taken < SEEN).mean() / SEEN) == pytest.approx(choice.readiness, abs=0.01)


def test_the_choice_is_the_best_of_all_folds_and_is_checked_on_the_others():
    generator = np.random.default_rng(1)
    folds = [_fold(generator, behind)[0] for behind in (1.0, 2.0, 1.5)]
    choice = choose(folds)
    every = np.unique(np.concatenate([fold.readiness for fold in folds]))
    means = [np.mean([fold.harmonic(np.array([r]))[0] for fold in folds]) for r in every]
    assert np.mean(choice.harmonic) == max(means)
    assert choice.unbiased == tuple(fold.curve.harmonic[fold.curve.step(0)] for fold in folds)
    assert choice.crossed[0] == folds[0].harmonic(np.array([choose(folds[1:]).readiness]))[0]


def test_a_bias_that_helps_only_one_model_does_not_count_as_help():
    targets = np.array([[1, 0, 0], [0, 0, 1]])
    right, late = ([[4.0, 0.0, 1.0], [1.0, 0.0, 3.0]], [[4.0, 0.0, 1.0], [4.0, 0.0, 3.0]])
    folds = [Fold(trade_off(np.array(scores), targets, 2, 1), 2, 1) for scores in (right, late)]
    choice = choose(folds)
    # the first has both positives without a bias; the second needs one, and then has both too
    assert (choice.unbiased, choice.crossed) == ((1, 0), (1, 1))
    assert not choice.helps


def test_without_a_positive_no_bias_helps():
    scores = np.random.default_rng(3).normal(size=(31, SEEN + UNSEEN))
    fold = Fold(trade_off(scores, np.zeros(scores.shape), SEEN, 2), SEEN, UNSEEN)
    assert not choose([fold, fold]).helps
