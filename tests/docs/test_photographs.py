"""The page on photographs: its programs turn downloads into folders that the toolkit reads."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tests.docs.pages import ROOT, python_of
from zsl.data.table import load_data

PROGRAMS = python_of((ROOT / "docs/photographs.md").read_text())


def ran(word):
    """Runs the program that holds a word, as a reader would."""
    (program,) = [program for program in PROGRAMS if word in program]
    exec(compile(program, "docs/photographs.md", "exec", dont_inherit=True), {})


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def draw(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


def test_corel5k_with_json_files(tmp_path):
    samples = {"train": {"1.jpeg": ["sky", "jet"], "2.jpeg": ["jet"]}, "test": {"3.jpeg": ["sky", "jet"]}}
    for part, images in samples.items():
        listed = [{"image_name": name, "image_labels": labels} for name, labels in images.items()]
        (tmp_path / "Corel-5k").mkdir(exist_ok=True)
        (tmp_path / f"Corel-5k/{part}.json").write_text(json.dumps({"samples": listed, "labels": ["sky", "jet"]}))
        for name in images:
            draw(tmp_path / "Corel-5k/images" / name)
    ran("image_labels")
    ran("UNSEEN =")
    check(tmp_path / "Corel-5k")


def test_corel5k_with_matlab_files(tmp_path):
    root = tmp_path / "Corel5k"
    for number in (1, 2, 3):
        draw(root / f"1000/{number}.jpeg")
    (root / "corel5k_words.txt").write_text("sky\njet\n")
    for part, images, table in (("train", [1, 2], [[1, 1], [0, 1]]), ("test", [3], [[1, 1]])):
        (root / f"corel5k_{part}_list.txt").write_text("".join(f"1000/{image}\n" for image in images))
        name = {"train": "annot1", "test": "annot2"}[part]
        savemat(root / f"corel5k_{part}_annot.mat", {name: np.array(table, np.uint8)})
    ran("loadmat")
    ran("UNSEEN =")
    check(root)


def check(root):
    """A folder with two training photographs and one for the test, of the labels sky and jet."""
    unseen = root.parent / "unseen.txt"
    data = load_data(name="folder", root=root, test="test.txt", unseen=unseen, image_size=8)
    assert data.seen == ("jet",)
    assert (len(data.unseen), data.unseen[1]) == (59, "sky")
    assert (len(data.train.inputs), len(data.test.inputs)) == (2, 1)
    assert data.test.targets.dense()[0, [0, 2]].tolist() == [1, 1]


def test_a_sample_of_coco(tmp_path):
    for number in (7, 8):
        draw(tmp_path / f"COCO_SAMPLE/images/{number:012d}.jpg")
    (tmp_path / "annotations").mkdir()
    for kind, categories, shown in (
        ("instances", {1: "person", 17: "cat"}, [(7, 1), (7, 1), (8, 17), (9, 17)]),
        ("stuff", {119: "flower", 183: "other"}, [(7, 119), (7, 183)]),
    ):
        content = {
            "categories": [{"id": key, "name": name} for key, name in categories.items()],
            "annotations": [{"image_id": image, "category_id": category} for image, category in shown],
        }
        (tmp_path / f"annotations/{kind}_train2017.json").write_text(json.dumps(content))
    ran("UNSEEN_17")
    root = tmp_path / "COCO_SAMPLE"
    assert (root / "labels.csv").read_text().split() == [
        "images/000000000007.jpg,person",
        "images/000000000008.jpg,cat",
    ]
    assert (root / "labels_stuff.csv").read_text().split() == ["images/000000000007.jpg,person,flower"]
    assert load_data(name="folder", root=root, unseen="unseen_17.txt", image_size=8).seen == ("person",)
    assert len((root / "unseen_17.txt").read_text().splitlines()) == 17
    assert len((root / "unseen_stuff.txt").read_text().splitlines()) == 25
