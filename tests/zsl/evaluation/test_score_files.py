"""Scores and targets in every form of file, matched by name, and what is wrong with them."""

import numpy as np
import pytest

from embeddings.io.errors import InputError, InputWarning
from zsl.data.targets import Targets
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.score_files import as_test_set, load_scores, match, named, read_table, save_scores

LABELS = ("sky", "polar bear", "été")
IMAGES = tuple(f"{n}.jpg" for n in range(7))
SCORES = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
TARGETS = (np.arange(21).reshape(7, 3) % 4 == 0).astype(int)


def _csv(path, values, labels=LABELS, images=IMAGES):
    lines = [",".join(["image", *labels])]
    lines += [",".join([image, *map(repr, row)]) for image, row in zip(images, values.tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _files(folder, values, key):
    np.save(folder / f"{key}.npy", values)
    np.savez(folder / f"{key}.npz", **{key: values}, labels=np.array(LABELS), images=np.array(IMAGES))
    _csv(folder / f"{key}.csv", values)
    return {suffix: folder / f"{key}.{suffix}" for suffix in ("npy", "npz", "csv")}


@pytest.mark.parametrize("of_scores", ["npy", "npz", "csv"])
@pytest.mark.parametrize("of_targets", ["npy", "npz", "csv"])
def test_every_form_says_the_same(tmp_path, of_scores, of_targets):
    scores = named(read_table(_files(tmp_path, SCORES, "scores")[of_scores], "scores"), LABELS)
    targets = named(read_table(_files(tmp_path, TARGETS, "targets")[of_targets], "targets"), LABELS)
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
    scores = read_table(_csv(tmp_path / "s.csv", SCORES[order][:, columns], labels, images), "scores")
    test = as_test_set(read_table(_csv(tmp_path / "t.csv", TARGETS), "targets"), ())
    np.testing.assert_array_equal(match(scores, test)["closed"], SCORES)
    elsewhere = [f"folder/{image}" for image in images]
    scores = read_table(_csv(tmp_path / "e.csv", SCORES[order][:, columns], labels, elsewhere), "scores")
    np.testing.assert_array_equal(match(scores, test)["closed"], SCORES)
    scores = read_table(_csv(tmp_path / "m.csv", SCORES[order][:, columns], labels, [*images[:-1], "x.jpg"]), "scores")
    with pytest.raises(InputError, match=f"m.csv has no scores of 1 images, such as '{images[-1]}'"):
        match(scores, test)


def test_columns_without_names_are_taken_by_place(tmp_path):
    test = TestSet("made", LABELS[:2], LABELS[2:], Targets.of(TARGETS), "x")
    np.save(tmp_path / "s.npy", SCORES)
    np.testing.assert_array_equal(match(read_table(tmp_path / "s.npy", "scores"), test)["gzsl"], SCORES)
    np.save(tmp_path / "s.npy", SCORES[:, -1:])
    with pytest.warns(InputWarning, match="no scores of 2 label.s.: 'sky', 'polar bear'; not measured: GZSL, seen"):
        found = match(read_table(tmp_path / "s.npy", "scores"), test)
    assert found.keys() == {"zsl"}
    np.testing.assert_array_equal(found["zsl"], SCORES[:, -1:])
    np.save(tmp_path / "s.npy", SCORES[:, :2])
    with pytest.raises(InputError, match="has 2 columns without names, but made has 3 labels, 1 of them unseen"):
        match(read_table(tmp_path / "s.npy", "scores"), test)
    with pytest.raises(InputError, match="has 2 labels, but 3 names are given"):
        named(read_table(tmp_path / "s.npy", "scores"), LABELS)
    np.save(tmp_path / "s.npy", SCORES[:5])
    with pytest.raises(InputError, match="s.npy has scores of 5 images, but made has 7"):
        match(read_table(tmp_path / "s.npy", "scores"), test)


def test_partial_targets(tmp_path):
    values = TARGETS - (np.arange(21).reshape(7, 3) % 3 == 1)
    test = as_test_set(read_table(_csv(tmp_path / "t.csv", np.clip(values, -1, 1)), "targets"), ())
    assert test.targets.partial


def test_saved_scores_come_back(tmp_path):
    test = TestSet("made", LABELS[:2], LABELS[2:], Targets.of(TARGETS), "x", {"other": ("summer",)}, IMAGES)
    generator = np.random.default_rng(0)
    scores = {n: generator.normal(size=(7, len(p.labels))).astype(np.float32) for n, p in protocols(test).items()}
    save_scores(tmp_path / "scores", scores, test)
    found, again = load_scores(tmp_path / "scores")
    assert found.keys() == scores.keys()
    for name, values in scores.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(again.targets, TARGETS)
    assert (again.seen, again.unseen, again.renamed, again.images) == (LABELS[:2], LABELS[2:], test.renamed, IMAGES)
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "t.csv:1: the header must be image,LABEL"),
        ("image,sky\n", "t.csv has no line after its header"),
        ("image,sky,sky\na,1,0\n", "label 'sky' stands 2 times"),
        ("image,sky\na,1\na,0\n", "image 'a' stands 2 times; every image must stand once"),
        ("image,sky\na,1,0\n", "t.csv:2: 3 fields, but the header has 2"),
        ("image,sky\na,1\nb,yes\n", "t.csv:3: could not convert"),
        ("image,sky\na,1\nb," + "9" * 200_000, "t.csv:3: field larger than field limit"),
        ("image,sky\na,1\nb\0,1", "t.csv:3: a zero byte"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, content, told):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=told):
        read_table(tmp_path / "t.csv", "targets")


def test_files_that_hold_something_else(tmp_path):
    with pytest.raises(InputError, match="none of .npy, .npz, .csv"):
        read_table(tmp_path / "s.txt", "scores")
    with pytest.raises(InputError, match="no file of scores .*s.npy"):
        read_table(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.array([["a"]]))
    with pytest.raises(InputError, match="of type <U1, which is no number"):
        read_table(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"must be \(image, label\), got shape \(3,\)"):
        read_table(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="s.npy cannot be read as scores"):
        read_table(tmp_path / "s.npy", "scores")
    np.savez(tmp_path / "s.npz", a=SCORES, b=SCORES)
    with pytest.raises(InputError, match="holds a, b, but no 'scores'"):
        read_table(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz", scores=SCORES, labels=np.array(LABELS[:2]))
    with pytest.raises(InputError, match="names 2 labels, but its scores are"):
        read_table(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz", scores=SCORES, labels=np.array([LABELS]))
    with pytest.raises(InputError, match=r"labels have shape \(1, 3\); they must be one list"):
        read_table(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz")
    with pytest.raises(InputError, match="holds nothing, but no 'scores'"):
        read_table(tmp_path / "s.npz", "scores")
    np.savez_compressed(tmp_path / "s.npz", scores=np.zeros((5_000_000, 1), np.int8))
    with pytest.raises(InputError, match="no axis may be longer than 4,194,304"):
        read_table(tmp_path / "s.npz", "scores")


def test_targets_and_scores_that_cannot_be_measured(tmp_path):
    for value, told in ((2, "must be 0 or 1 .* image 4, 'polar bear' has 2"), (0.5, "has 0.5")):
        values = TARGETS.astype(float)
        values[4, 1] = value
        with pytest.raises(InputError, match=told):
            as_test_set(read_table(_csv(tmp_path / "t.csv", values), "targets"), ())
    with pytest.raises(InputError, match="t.csv holds no positive"):
        as_test_set(read_table(_csv(tmp_path / "t.csv", 0 * TARGETS), "targets"), ())
    targets = read_table(_csv(tmp_path / "t.csv", TARGETS), "targets")
    with pytest.raises(InputError, match="no column of targets in .*t.csv for 1 label.s.: 'skye' .nearest: 'sky'"):
        as_test_set(targets, ("skye",))
    for value in (np.nan, np.inf):
        values = SCORES.copy()
        values[5, 2] = value
        with pytest.raises(InputError, match=f"image '5.jpg', label 'été' has score {value}; every score"):
            match(read_table(_csv(tmp_path / "s.csv", values), "scores"), as_test_set(targets, ()))
    fewer = read_table(_csv(tmp_path / "s.csv", SCORES[:, :2], LABELS[:2]), "scores")
    with pytest.raises(InputError, match="no column of scores in .*s.csv for 1 label.s.: 'été'"):
        match(fewer, as_test_set(targets, ()))


@pytest.mark.parametrize("changed", ["indices", "about"])
def test_a_saved_test_set_of_other_content_is_refused(tmp_path, changed):
    targets = Targets.of(np.array([[1, 0, 0], [0, 1, 1], [1, 0, 1]]))
    test = TestSet("toy", ("dog", "cat"), ("sky",), targets, "none", images=("a", "b", "c"))
    scores = {name: np.zeros((3, len(asked.labels)), np.float32) for name, asked in protocols(test).items()}
    save_scores(tmp_path, scores, test)
    load_scores(tmp_path)
    arrays = dict(np.load(tmp_path / "test.npz"))
    if changed == "indices":
        arrays["indices"][0] = 1  # another label, as valid as the one before
    else:
        arrays["about"] = np.array(str(arrays["about"]).replace("dog", "fox"))
    np.savez(tmp_path / "test.npz", **arrays)
    with pytest.raises(InputError, match="test.npz has other content than was saved; evaluate the run again"):
        load_scores(tmp_path)
