"""Saved scores come back as they were, and damaged ones are refused."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.evaluation.score_files import IMAGES, LABELS, SCORES, TARGETS
from zsl.data.targets import Targets
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.saved_scores import load_scores, save_scores
from zsl.evaluation.stamp import Form


def test_saved_scores_come_back(tmp_path):
    test = TestSet("made", LABELS[:2], LABELS[2:], Targets.of(TARGETS), "x", {"other": ("summer",)}, IMAGES)
    generator = np.random.default_rng(0)
    scores = {n: generator.normal(size=(7, len(p.labels))).astype(np.float32) for n, p in protocols(test).items()}
    save_scores(tmp_path / "scores", scores, test)
    saved = load_scores(tmp_path / "scores")
    found, again = saved.scores, saved.test
    assert saved.form == Form("grouped", "none")
    assert found.keys() == scores.keys()
    for name, values in scores.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(again.targets, TARGETS)
    assert (again.seen, again.unseen, again.renamed, again.images) == (LABELS[:2], LABELS[2:], test.renamed, IMAGES)
    save_scores(tmp_path / "other", scores, test, Form("alone", "image"))
    assert load_scores(tmp_path / "other").form == Form("alone", "image")
    array = tmp_path / "scores" / "zsl.npy"
    whole = array.read_bytes()
    array.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="zsl.npy has other content than was saved; evaluate the run again"):
        load_scores(tmp_path / "scores")
    array.unlink()
    with pytest.raises(InputError, match="zsl.npy is missing; evaluate the run again"):
        load_scores(tmp_path / "scores")
    (tmp_path / "scores" / "test.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="test.npz cannot be read as the test set of saved scores"):
        load_scores(tmp_path / "scores")
    with pytest.raises(InputError, match="holds no saved scores"):
        load_scores(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("indices", 2**30, "one of its indices is not among the 3 labels"),  # this ended the process
        ("indptr", 2**30, "its indptr does not divide 6 entries among 7 images"),
        ("data", 7, "its values are not all 0 or 1"),
        ("about", '{"name": "made"}', "fingerprint: Field required"),
    ],
)
def test_saved_targets_that_are_damaged(tmp_path, name, value, told):
    test = TestSet("made", LABELS[:2], LABELS[2:], Targets.of(TARGETS), "x")
    save_scores(tmp_path, {"gzsl": SCORES}, test)
    with np.load(tmp_path / "test.npz") as archive:
        arrays = dict(archive)
    arrays[name] = np.array(value) if name == "about" else np.array([*arrays[name][:2], value, *arrays[name][3:]])
    np.savez(tmp_path / "test.npz", **arrays)
    with pytest.raises(InputError, match=f"test.npz is damaged .*{told}"):
        load_scores(tmp_path)


@pytest.mark.parametrize("changed", ["indices", "about"])
def test_a_saved_test_set_of_other_content_is_refused(tmp_path, changed):
    targets = Targets.of(np.array([[1, 0, 0], [0, 1, 1], [1, 0, 1]]))
    test = TestSet("toy", ("dog", "cat"), ("sky",), targets, "none", images=("a", "b", "c"))
    scores = {name: np.zeros((3, len(asked.labels)), np.float32) for name, asked in protocols(test).items()}
    save_scores(tmp_path, scores, test)
    assert load_scores(tmp_path).form == Form("grouped", "none")
    arrays = dict(np.load(tmp_path / "test.npz"))
    if changed == "indices":
        arrays["indices"][0] = 1  # another label, as valid as the one before
    else:
        arrays["about"] = np.array(str(arrays["about"]).replace("dog", "fox"))
    np.savez(tmp_path / "test.npz", **arrays)
    with pytest.raises(InputError, match="test.npz has other content than was saved; evaluate the run again"):
        load_scores(tmp_path)
