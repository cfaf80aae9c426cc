"""Thresholds of a model: their file, and which labels they take."""

import numpy as np
import pytest
from scipy.special import expit

from embeddings.io.errors import InputError
from zsl.prediction.thresholds import Rule, Thresholds

LABELS, SEEN = ("cat", "dog", "sea"), np.array([True, True, False])
CHOSEN = Thresholds(Rule(2.0, -4.0, 0.3), Rule(0.5, -5.0, 0.125), {"dog": 0.75, "sea": 0.999})


def test_each_label_has_the_scale_and_the_threshold_of_its_group():
    logits = np.array([[-4.0, -2.0, -5.0], [-6.0, 0.0, -6.0]], np.float32)
    probabilities = CHOSEN.probabilities(logits, SEEN)
    expected = expit([[0.0, 1.0, 0.0], [-1.0, 2.0, -2.0]])  # (-4 + 4) / 2, (-2 + 4) / 2, (-5 + 5) / 0.5, ...
    np.testing.assert_allclose(probabilities, expected, rtol=1e-7)
    # a name among the unseen labels has no threshold of its own, even if a seen label had the name
    assert CHOSEN.of(LABELS, SEEN).tolist() == [0.3, 0.75, 0.125]
    assert CHOSEN.taken(probabilities, LABELS, SEEN).tolist() == [[True, False, True], [False, True, False]]
    assert not Thresholds(Rule(1.0, 0.0, 0.5), CHOSEN.unseen).taken(np.array([[0.5]]), ("cat",), SEEN[:1]).any()


def test_a_file_holds_all_of_it(tmp_path):
    CHOSEN.save(tmp_path / "thresholds.json")
    assert Thresholds.load(tmp_path / "thresholds.json") == CHOSEN


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"temperature": 2.0', '"temperature": 0', "seen.temperature"),
        ('"bias": -4.0', '"bias": NaN', "seen.bias"),
        ('"threshold": 0.125', '"threshold": 1.5', "unseen.threshold"),
        ('"dog": 0.75', '"dog": "high"', "by_label.dog"),
        ('"company": null', '"company": "many"', "company"),
        ("{", "[", ""),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, old, new, key):
    path = tmp_path / "thresholds.json"
    CHOSEN.save(path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=rf"thresholds.json is damaged \({key}.*run zsl threshold again") as raised:
        Thresholds.load(path)
    assert "\n" not in str(raised.value)
