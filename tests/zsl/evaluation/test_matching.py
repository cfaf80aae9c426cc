"""Scores and targets in every form of file, matched by name, and what is wrong with them."""

import numpy as np
import pytest

from embeddings.io.errors import InputError, InputWarning
from tests.zsl.evaluation.score_files import IMAGES, LABELS, SCORES, TARGETS, write_all, write_csv
from zsl.data.targets import Targets
from zsl.evaluation.matching import as_test_set, match
from zsl.evaluation.named_matrix import named, read_matrix
from zsl.evaluation.protocol import TestSet


@pytest.mark.parametrize("of_scores", ["npy", "npz", "csv"])
@pytest.mark.parametrize("of_targets", ["npy", "npz", "csv"])
def test_every_form_says_the_same(tmp_path, of_scores, of_targets):
    scores = named(read_matrix(write_all(tmp_path, SCORES, "scores")[of_scores], "scores"), LABELS)
    targets = named(read_matrix(write_all(tmp_path, TARGETS, "targets")[of_targets], "targets"), LABELS)
    test = as_test_set(targets, ("sky",))
    assert (test.seen, test.unseen) == (LABELS[1:], LABELS[:1])
    found = match(scores, test)
    np.testing.assert_array_equal(found["zsl"], SCORES[:, :1])
    np.testing.assert_array_equal(found["gzsl"], SCORES[:, [1, 2, 0]])
    np.testing.assert_array_equal(found["seen"], SCORES[:, 1:])
    np.testing.assert_array_equal(test.targets, TARGETS[:, [1, 2, 0]])
    closed = as_test_set(targets, ())
    np.testing.assert_array_equal(match(scores, closed)["closed"], SCORES)


def test_labels_and_images_are_matched_by_name(tmp_path):
    order, columns = np.random.default_rng(1).permutation(7), [2, 0, 1]
    labels, images = [LABELS[c] for c in columns], [IMAGES[row] for row in order]
    scores = read_matrix(write_csv(tmp_path / "s.csv", SCORES[order][:, columns], labels, images), "scores")
    test = as_test_set(read_matrix(write_csv(tmp_path / "t.csv", TARGETS), "targets"), ())
    np.testing.assert_array_equal(match(scores, test)["closed"], SCORES)
    elsewhere = [f"folder/{image}" for image in images]
    scores = read_matrix(write_csv(tmp_path / "e.csv", SCORES[order][:, columns], labels, elsewhere), "scores")
    np.testing.assert_array_equal(match(scores, test)["closed"], SCORES)
    scores = read_matrix(
        write_csv(tmp_path / "m.csv", SCORES[order][:, columns], labels, [*images[:-1], "x.jpg"]), "scores"
    )
    with pytest.raises(InputError, match=f"m.csv has no scores of 1 images, such as '{images[-1]}'"):
        match(scores, test)


def test_columns_without_names_are_matched_by_position(tmp_path):
    test = TestSet("made", LABELS[:2], LABELS[2:], Targets.of(TARGETS), "x")
    np.save(tmp_path / "s.npy", SCORES)
    np.testing.assert_array_equal(match(read_matrix(tmp_path / "s.npy", "scores"), test)["gzsl"], SCORES)
    np.save(tmp_path / "s.npy", SCORES[:, -1:])
    with pytest.warns(InputWarning, match="no scores of 2 label.s.: 'sky', 'polar bear'; not measured: GZSL, seen"):
        found = match(read_matrix(tmp_path / "s.npy", "scores"), test)
    assert found.keys() == {"zsl"}
    np.testing.assert_array_equal(found["zsl"], SCORES[:, -1:])
    np.save(tmp_path / "s.npy", SCORES[:, :2])
    with pytest.raises(InputError, match="has 2 columns without names, but made has 3 labels, 1 of them unseen"):
        match(read_matrix(tmp_path / "s.npy", "scores"), test)
    with pytest.raises(InputError, match="has 2 labels, but 3 names are given"):
        named(read_matrix(tmp_path / "s.npy", "scores"), LABELS)
    np.save(tmp_path / "s.npy", SCORES[:5])
    with pytest.raises(InputError, match="s.npy has scores of 5 images, but made has 7"):
        match(read_matrix(tmp_path / "s.npy", "scores"), test)


def test_partial_targets(tmp_path):
    values = TARGETS - (np.arange(21).reshape(7, 3) % 3 == 1)
    test = as_test_set(read_matrix(write_csv(tmp_path / "t.csv", np.clip(values, -1, 1)), "targets"), ())
    assert test.targets.partial


def test_targets_and_scores_that_cannot_be_measured(tmp_path):
    for value, told in ((2, "must be 0 or 1 .* image 4, 'polar bear' has 2"), (0.5, "has 0.5")):
        values = TARGETS.astype(float)
        values[4, 1] = value
        with pytest.raises(InputError, match=told):
            as_test_set(read_matrix(write_csv(tmp_path / "t.csv", values), "targets"), ())
    with pytest.raises(InputError, match="t.csv holds no positive"):
        as_test_set(read_matrix(write_csv(tmp_path / "t.csv", 0 * TARGETS), "targets"), ())
    targets = read_matrix(write_csv(tmp_path / "t.csv", TARGETS), "targets")
    with pytest.raises(InputError, match="no column of targets in .*t.csv for 1 label.s.: 'skye' .nearest: 'sky'"):
        as_test_set(targets, ("skye",))
    for value in (np.nan, np.inf):
        values = SCORES.copy()
        values[5, 2] = value
        with pytest.raises(InputError, match=f"image '5.jpg', label 'été' has score {value}; every score"):
            match(read_matrix(write_csv(tmp_path / "s.csv", values), "scores"), as_test_set(targets, ()))
    fewer = read_matrix(write_csv(tmp_path / "s.csv", SCORES[:, :2], LABELS[:2]), "scores")
    with pytest.raises(InputError, match="no column of scores in .*s.csv for 1 label.s.: 'été'"):
        match(fewer, as_test_set(targets, ()))
