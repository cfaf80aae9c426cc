"""NUS-WIDE's raw layout, written small: order, holes, protocols, damage."""

import json

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.conftest import CONCEPTS, IMAGES, TAGS, TRAIN
from zsl.data.layouts import nus_wide as module
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.layouts.nus_wide import NusWideConfig
from zsl.data.table import load_data

SEEN = ("sky", "whale", "old dog", "street")


def _load(root, **values):
    return load_data(NusWideConfig(name="nus_wide", root=root, image_size=32, **values))


@pytest.mark.parametrize("block", [40, 1 << 23])
def test_tags_are_seen_and_ground_truth_unseen(raw, monkeypatch, block):
    monkeypatch.setattr(module, "READ", block)
    root, tags, truth = raw.root, raw.tags, raw.truth
    data = _load(root)
    assert data.seen == SEEN
    assert data.unseen == tuple(CONCEPTS)
    seen_tags = tags[:, [TAGS.index(name) for name in SEEN]]
    train = [n for n in range(TRAIN) if seen_tags[n].any()]
    np.testing.assert_array_equal(data.train.targets, seen_tags[train])
    np.testing.assert_array_equal(data.test.targets, np.concatenate([seen_tags, truth], axis=1)[TRAIN:])
    assert list(data.train.inputs.paths) == [raw.file(n) for n in train]
    assert data.train.inputs.read([0, 5]).shape == (2, 3, 32, 32)
    again = _load(root)
    assert again.fingerprint == data.fingerprint
    np.testing.assert_array_equal(again.test.targets, data.test.targets)


def test_the_labelled_test_set_leaves_out_images_without_a_concept(raw):
    root, truth = raw.root, raw.truth
    data = _load(root, test="labelled")
    assert len(data.test.targets) == int(truth[TRAIN:].any(axis=1).sum()) < IMAGES - TRAIN
    assert data.test.targets.dense()[:, len(SEEN) :].any(axis=1).all()
    assert data.fingerprint != _load(root).fingerprint
    assert "labelled" in data.name


def test_a_file_lists_the_test_images(raw):
    """Those that are official training images are not trained on; test targets are tags and ground truth."""
    chosen = [TRAIN + 2, 4, TRAIN, 5]
    names = [raw.names[n].replace("\\", "/").removesuffix(".jpg") for n in chosen]
    (raw.root / "lists").mkdir()
    (raw.root / "lists/test.txt").write_text("\n".join(names) + "\n")
    whole, data = _load(raw.root), _load(raw.root, test="lists/test.txt")
    seen_tags = raw.tags[:, [TAGS.index(name) for name in SEEN]]
    np.testing.assert_array_equal(data.test.targets, np.concatenate([seen_tags, raw.truth], axis=1)[chosen])
    assert list(data.test.inputs.paths) == [raw.file(n) for n in chosen]
    assert set(data.train.inputs.paths) == {*whole.train.inputs.paths} - {raw.file(4), raw.file(5)}
    assert "4 test images are those of test.txt; 2 of them are official training images, and are left" in data.notes[0]
    idle = (~seen_tags[[n for n in range(TRAIN) if n not in chosen]].any(1)).sum()
    assert data.notes[1].startswith(f"{idle} of {TRAIN - 2} training images show no seen label")
    assert (data.name, "test images" in data.expected) == ("nus_wide (test images of test.txt)", False)
    config = NusWideConfig.model_validate_json(data.config.model_dump_json())
    assert load_data(config).fingerprint == data.fingerprint != whole.fingerprint
    for changes in ({"test": "labeled"}, {"test": raw.root / "other.txt"}):
        with pytest.raises(InputError, match=f'no file {raw.root}/(labeled|other.txt); data.test is "all"'):
            _load(raw.root, **changes)
    (raw.root / "lists/test.txt").write_text("zoo/0000\n")
    with pytest.raises(InputError, match="lists/test.txt:1: zoo/0000 is not in the dataset's lists"):
        _load(raw.root, test="lists/test.txt")
    with pytest.raises(InputError, match="data.test|test:"):
        _load(raw.root, test=7)


def test_holes_are_refused_or_left_out(raw):
    root, tags = raw.root, raw.tags
    raw.file(TRAIN).unlink()
    raw.file(TRAIN + 1).write_bytes(b"x" * 4000)
    with pytest.raises(InputError, match=r"2 of .* images .* are missing .* such as .*Flickr/.*data.missing=skip"):
        _load(root)
    data = _load(root, missing="skip")
    assert len(data.test.targets) == IMAGES - TRAIN - 2
    assert data.notes[-1].startswith(f"2 of {len(data.train.targets) + IMAGES - TRAIN} images of nus_wide are missing")
    np.testing.assert_array_equal(
        data.test.targets.dense()[:, : len(SEEN)],
        tags[TRAIN + 2 :, [TAGS.index(name) for name in SEEN]].reshape(-1, len(SEEN)),
    )
    for path in (root / "Flickr").rglob("*.jpg"):
        path.unlink()
    with pytest.raises(InputError, match="no train image"):
        _load(root, missing="skip")


def test_a_changed_label_file_is_read_again(raw):
    root = raw.root
    before = _load(root).fingerprint
    path = root / "Groundtruth/AllLabels/Labels_fire.txt"
    path.write_text(path.read_text().replace("0", "1"))
    assert _load(root).fingerprint != before


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("NUS_WID_Tags/AllTags1k.txt", lambda text: text[:-5], "AllTags1k.txt:23: . values instead of 6"),
        ("NUS_WID_Tags/AllTags1k.txt", lambda text: text.replace("1", "2", 1), "neither 0 nor 1"),
        ("NUS_WID_Tags/AllTags1k.txt", lambda text: text.split("\n", 1)[1], "22 lines, but the image list has 23"),
        ("Groundtruth/AllLabels/Labels_cat.txt", lambda text: text + "0\n", "24 lines, but the image list has 23"),
        ("ImageList/TestImagelist.txt", lambda text: text + "zoo\\other.jpg\n", "zoo/other.jpg is not in Imagelist"),
        ("ImageList/Imagelist.txt", lambda text: text + text.split("\n")[0], "names an image twice"),
        ("ConceptsList/Concepts81.txt", lambda text: text + "moon\n", "lacks Groundtruth/AllLabels/Labels_moon.txt"),
    ],
)
def test_damage_is_named(raw, name, change, message):
    root = raw.root
    path = root / name
    path.write_bytes(change(path.read_bytes().decode()).encode())
    with pytest.raises(InputError, match=message):
        _load(root)


def test_a_missing_list_is_named(raw):
    (raw.root / "NUS_WID_Tags/TagList1k.txt").unlink()
    with pytest.raises(InputError, match="lacks NUS_WID_Tags/TagList1k.txt"):
        _load(raw.root)


def test_the_same_images_and_labels_through_two_layouts_are_identical_samples(raw):
    data = _load(raw.root)
    names = data.seen + data.unseen
    lines = ["filepath,classes,split_name"]
    for part, split in ((data.train, "train"), (data.test, "val")):
        for path, row in zip(part.inputs.paths, part.targets.dense(), strict=True):
            classes = ", ".join(names[column] for column in np.flatnonzero(row))
            lines.append(f'{path.relative_to(raw.root)},"[{classes}]",{split}')
    (raw.root / "data.csv").write_text("\n".join(lines) + "\n")
    split = {"train class": data.seen, "test class": data.unseen}
    (raw.root / "split.json").write_text(json.dumps(split))
    other = load_data(CsvConfig(name="csv", root=raw.root, image_size=32))
    assert (other.seen, other.unseen) == (data.seen, data.unseen)
    for one, two in ((data.train, other.train), (data.test, other.test)):
        np.testing.assert_array_equal(one.targets, two.targets)
        rows = range(len(one.targets))
        assert torch.equal(one.inputs.read(rows), two.inputs.read(rows))


def test_a_concept_with_braces_is_a_name_like_another(raw):
    (raw.root / "ConceptsList/Concepts81.txt").write_text("clouds\n{0}{tags}\n")
    with pytest.raises(InputError, match=r"Labels_\{0\}\{tags\}"):
        load_data(NusWideConfig(name="nus_wide", root=raw.root))
