"""What is found instead of a label, against counting image by image."""

from collections import Counter

import numpy as np
import pytest

from zsl.evaluation.confusions import Confusion, confusions


def _random(images=83, labels=11, levels=None):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(images, labels))
    scores = scores if levels is None else np.round(levels * scores)
    return scores.astype(np.float32), (generator.random((images, labels)) < 0.3).astype(np.int8)


def _counted(scores, targets, k, annotated, most):
    """One label and image after another."""
    images, labels = scores.shape
    known = np.ones((images, labels), bool) if annotated is None else annotated
    found = []
    for label in range(labels):
        positives, missed, instead = 0, 0, Counter()
        for image in range(images):
            if not (targets[image, label] and known[image, label]):
                continue
            positives += 1
            best = sorted(range(labels), key=lambda place: (-scores[image, place], place))[:k]
            if label in best:
                continue
            missed += 1
            instead.update(other for other in best if known[image, other] and not targets[image, other])
        order = sorted(instead.items(), key=lambda pair: (-pair[1], pair[0]))
        found.append(Confusion(positives, missed, tuple(order[:most])))
    return found


@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("k", "most"), [(1, 5), (3, 2), (5, 11), (11, 3)])
def test_confusions_equal_a_count_image_by_image(k, most, partial, levels):
    scores, targets = _random(levels=levels)
    annotated = np.random.default_rng(1).random(scores.shape) < 0.7 if partial else None
    assert confusions(scores, targets, k, annotated, most) == _counted(scores, targets, k, annotated, most)


def test_images_in_several_blocks_and_in_another_order_give_the_same(monkeypatch):
    scores, targets = _random()
    whole = confusions(scores, targets, 3)
    monkeypatch.setattr("zsl.metrics.arrays.ROWS", 17)
    order = np.random.default_rng(2).permutation(len(scores))
    assert confusions(scores[order], targets[order], 3) == whole


def test_a_worked_example():
    # the image shows label 0; its two best labels are 2 and 1
    found = confusions(np.array([[0.1, 0.5, 0.9]]), np.array([[1, 0, 0]]), 2)
    assert found == [Confusion(1, 1, ((1, 1), (2, 1))), Confusion(0, 0, ()), Confusion(0, 0, ())]
    with pytest.raises(ValueError, match="k = 4 is not between 1 and the 3 labels"):
        confusions(np.zeros((2, 3)), np.zeros((2, 3)), 4)
    with pytest.raises(ValueError, match="first at row 1, label 2"):
        confusions(np.array([[0.0, 0, 0], [0, 0, np.nan]]), np.zeros((2, 3)), 1)
