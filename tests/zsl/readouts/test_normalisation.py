"""Normalisation of scores, against plain arithmetic in loops."""

import math

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.readouts.normalisation import Normalisation, normalised

IMAGES, LABELS, SEEN = 5, 7, 3
COUNTED = np.arange(LABELS) < SEEN


@pytest.fixture
def scores() -> np.ndarray:
    """(image, label); the first labels are the seen ones."""
    return np.random.default_rng(0).normal(-3, 2, (IMAGES, LABELS))


def test_scores_of_a_label_are_standardised_over_the_images(scores):
    scores[:, 2] = 0.1  # only centred
    expected = np.zeros_like(scores)
    for label in set(range(LABELS)) - {2}:
        mean = sum(scores[:, label].tolist()) / IMAGES
        spread = math.sqrt(sum((value - mean) ** 2 for value in scores[:, label].tolist()) / IMAGES)
        for image in range(IMAGES):
            expected[image, label] = (scores[image, label] - mean) / spread
    found = normalised(scores, scores[:, :SEEN], "label")
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(found[:, 4:].argsort(0), scores[:, 4:].argsort(0))
    with pytest.raises(InputError, match="single pictures do not have; choose 'none', 'image' or 'softmax'"):
        _ = Normalisation("label").of_picture


def _by_hand(row: np.ndarray, label: int, how: str, temperature: float) -> float:
    seen = [float(value) for value in row[:SEEN]]
    if how == "image":
        mean = sum(seen) / SEEN
        return (row[label] - mean) / math.sqrt(sum((value - mean) ** 2 for value in seen) / SEEN)
    among = seen if label < SEEN else [*seen, float(row[label])]
    return row[label] / temperature - math.log(sum(math.exp(value / temperature) for value in among))


@pytest.mark.parametrize(("how", "temperature"), [("image", 1.0), ("softmax", 1.0), ("softmax", 2.5)])
def test_each_score_is_as_computed_by_hand(scores, how, temperature):
    expected = [[_by_hand(row, label, how, temperature) for label in range(LABELS)] for row in scores]
    found = normalised(scores, scores[:, :SEEN], how, temperature, COUNTED)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.dtype == np.float64

    tensor = torch.from_numpy(scores).float()
    of_tensor = Normalisation(how, temperature).of(tensor, tensor[:, :SEEN], COUNTED)
    np.testing.assert_allclose(of_tensor.numpy(), expected, rtol=1e-5, atol=1e-5)
    assert of_tensor.dtype == torch.float32


@pytest.mark.parametrize("how", ["image", "softmax"])
def test_a_label_does_not_depend_on_the_others_and_shift_and_scale_cancel(scores, how):
    whole = normalised(scores, scores[:, :SEEN], how, 1, COUNTED)
    alone = normalised(scores[:, 4:5], scores[:, :SEEN], how, 1, COUNTED[4:5])
    np.testing.assert_array_equal(alone, whole[:, 4:5])
    moved = scores + np.arange(IMAGES)[:, None]  # each image by its own amount
    np.testing.assert_allclose(normalised(moved, moved[:, :SEEN], how, 1, COUNTED), whole, rtol=1e-10)
    if how == "image":
        np.testing.assert_allclose(normalised(7 * scores, 7 * scores[:, :SEEN], how), whole, rtol=1e-10)


def test_none_leaves_scores_as_they_are_and_equal_seen_scores_only_centre(scores):
    assert normalised(scores, scores[:, :SEEN], "none") is scores
    level = np.full((IMAGES, SEEN), 0.1, np.float32)  # its mean in float32 is not 0.1 exactly
    found = normalised(scores.astype(np.float32), level, "image")
    np.testing.assert_allclose(found, scores - 0.1, rtol=1e-5)


def test_wrong_input_is_an_error(scores):
    for arguments in [
        (scores, scores[:2, :SEEN], "image"),
        (scores, scores[:, :0], "image"),
        (scores[0], scores, "image"),
        (scores, scores, "other"),
        (scores, scores, "softmax"),
        (scores, scores, "softmax", 0.0, COUNTED),
    ]:
        with pytest.raises(ValueError, match="must be|one of"):
            normalised(*arguments)


def test_told():
    assert [Normalisation().told, Normalisation("image").told] == ["none", "image"]
    assert Normalisation("label").told == "label over the test images (transductive)"
    assert Normalisation("softmax", 2.0).told == "softmax, temperature 2"
