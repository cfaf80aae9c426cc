"""COCO's instance files with the faults that exports of other tools have."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from embeddings.io.errors import InputError
from zsl.data.layouts.coco import SEEN_48, UNSEEN_15, UNSEEN_17, CocoConfig
from zsl.data.table import load_data

PLAIN = {
    "images": [{"id": 1, "file_name": "0.jpg"}],
    "categories": [{"id": 5, "name": "dog"}, {"id": 7, "name": "cat"}],
    "annotations": [{"id": 3, "image_id": 1, "category_id": 5}],
}


def _load(root, train, val=PLAIN):
    for part, content in (("train", train), ("val", val)):
        (root / f"{part}2014").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / f"{part}2014/0.jpg")
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/instances_{part}2014.json").write_text(json.dumps(content), "utf-8-sig")
    return CocoConfig(root=root).load()


def test_a_file_with_a_byte_order_mark_and_ids_of_text_is_read(tmp_path):
    content = json.loads(json.dumps(PLAIN).replace(": 1", ': "1"').replace(": 5", ': "5"'))
    assert content["annotations"][0]["image_id"] == "1"
    data = _load(tmp_path, content)
    assert (data.seen, data.train.targets.dense().tolist()) == (("dog", "cat"), [[1, 0]])


@pytest.mark.parametrize(
    ("key", "entry", "told"),
    [
        ("annotations", {"image_id": 999}, 'annotation 3 has image_id 999, but no entry of "images" has this id; add'),
        ("annotations", {"category_id": 9}, 'annotation 3 has category_id 9, but no entry of "categories" has this id'),
        ("annotations", {"image_id": None}, "annotation 3 has image_id None, but no entry"),
        ("annotations", {"image_id": [1]}, r"annotation 3 has image_id \[1\], but no entry"),
        ("annotations", {"image_id": "1"}, "annotation 3 has image_id '1', .* it is 1 there; write ids as numbers in"),
        ("images", {"id": None}, 'entry 1 of "images" has no id or no file_name'),
        ("images", {"file_name": 7}, "image 1 has file_name 7, which is not text"),
        ("categories", {"id": 7}, 'id 7 appears twice in "categories"'),
        ("categories", {"name": "cat"}, "has two categories named 'cat'"),
        ("categories", {"name": "do\ng"}, "category 5: label name 'do.ng' holds a line break"),
        ("categories", {"name": None}, "category 5: label name None is not text"),
    ],
)
def test_what_is_wrong_with_an_entry_is_named(tmp_path, key, entry, told):
    content = copy.deepcopy(PLAIN)
    content[key][0] |= entry
    with pytest.raises(InputError, match=f"instances_train2014.json:? {told}"):
        _load(tmp_path, content)


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_a_file_without_one_of_its_lists_is_named(tmp_path, key):
    with pytest.raises(InputError, match=f'instances_train2014.json has no list "{key}"'):
        _load(tmp_path, {name: value for name, value in PLAIN.items() if name != key})
    with pytest.raises(InputError, match='instances_train2014.json has no list "categories"'):
        _load(tmp_path, [1])


def test_a_category_only_in_validation_is_an_error_if_it_has_positives(tmp_path):
    val = PLAIN | {"categories": [*PLAIN["categories"], {"id": 8, "name": "elk"}]}
    assert _load(tmp_path, PLAIN, val).seen == ("dog", "cat")
    val["annotations"] = [{"id": 3, "image_id": 1, "category_id": 8}]
    with pytest.raises(InputError, match="val2014.json annotates category 'elk', which instances_train2014.json lacks"):
        _load(tmp_path, PLAIN, val)


def test_coco_has_a_closed_set_and_two_zero_shot_splits(coco):
    root, names = coco
    assert (len(SEEN_48), len(UNSEEN_17), len(UNSEEN_15)) == (48, 17, 15)
    assert len({*SEEN_48, *UNSEEN_17}) == 65
    data = load_data(name="coco", root=root, test="labelled")
    assert (list(data.seen), data.unseen) == (names, ())
    shown = [[names[c] for c in np.flatnonzero(row)] for row in data.train.targets.dense()]
    assert shown == [["dog", "person"], ["car", "person"], ["train"]]
    assert len(data.test.targets) == 2
    assert data.expected["training images"] == 82_081
    data = load_data(name="coco", root=root, split="48/17")
    assert (data.seen, data.unseen) == (tuple(SEEN_48), tuple(UNSEEN_17))
    assert [path.name[-7:] for path in data.train.inputs.paths] == ["101.jpg", "103.jpg"]  # 100 shows a dog
    assert data.leaked == 0
    np.testing.assert_array_equal(data.test.targets.label_counts()[48:].sum(), 1)
    kept = load_data(name="coco", root=root, split="48/17", leaked="keep", test="labelled")
    assert (len(kept.train.targets), len(kept.test.targets), kept.leaked) == (3, 1, 1)
    data = load_data(name="coco", root=root, split="65/15")
    assert len(data.train.targets) == 2  # "train" is unseen here
    assert data.unseen == tuple(UNSEEN_15)
    path = root / "annotations/instances_val2014.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match="val2014.json is not JSON of COCO instances"):
        load_data(name="coco", root=root)


def test_a_file_lists_the_test_images(coco):
    """Of validation and of training, which are then not trained on; the seen labels of both stay in their columns."""
    root, _ = coco
    (root / "test.txt").write_text("COCO_val2014_000000000102\ntrain2014/COCO_train2014_000000000101.jpg\n")
    data = load_data(name="coco", root=root, split="48/17", test="test.txt")
    assert [path.name[-7:] for path in data.test.inputs.paths] == ["102.jpg", "101.jpg"]
    names = data.seen + data.unseen
    shown = [{names[c] for c in np.flatnonzero(row)} for row in data.test.targets.dense()]
    assert shown == [{"car"}, {"car", "person"}]
    assert [path.name[-7:] for path in data.train.inputs.paths] == ["103.jpg"]
    assert data.notes[0].startswith("2 test images are those of test.txt; 1 of them are official training images")
    assert data.notes[0].endswith("2 of 3 official test images are not among them, and are not used")
    assert data.name == "coco2014 48/17 (test images of test.txt)"
    (root / "test.txt").write_text("COCO_val2014_000000000999\n")
    with pytest.raises(InputError, match="test.txt:1: COCO_val2014_000000000999 is not in the dataset's lists"):
        load_data(name="coco", root=root, split="48/17", test="test.txt")


def test_names_may_hold_line_breaks_and_strange_bytes(coco):
    root, names = coco
    path = root / "annotations/instances_train2014.json"
    content = json.loads(path.read_text())
    odd = "odd\nname.jpg"
    (root / "train2014" / content["images"][0]["file_name"]).rename(root / "train2014" / odd)
    content["images"][0]["file_name"] = odd
    path.write_text(json.dumps(content))
    data = load_data(name="coco", root=root)
    assert next(data.train.inputs.paths).name == odd
    assert [names[c] for c in np.flatnonzero(data.train.targets.dense()[1])] == ["car", "person"]
    content["categories"][0]["name"] = content["categories"][1]["name"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="two categories named"):
        load_data(name="coco", root=root)
