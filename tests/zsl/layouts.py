"""Fixtures: each layout, written small."""

import json
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from tfrecord.writer import TFRecordWriter

from tests.zsl.album import Album
from zsl.data.layouts.coco import SEEN_48, UNSEEN_15, UNSEEN_17
from zsl.data.layouts.open_images import OpenImagesConfig

TAGS = ("sky", "whale", "old dog", "clouds", "cat")
CONCEPTS = ("clouds", "cat", "fire")
CARS = ("AM General Hummer", "Audi R8", "BMW M3")
CHANNELS, TOKENS, KNOWN, TRIED = 7, 6, 23, 11


CLASSES = {
    "/m/01": "Cat",
    "/m/02": 'Dog, "old"',
    "/m/03": "Football",
    "/m/04": "Football",
    "/m/05": "Elk",
    "/m/06": "Fire",
}
TRAINABLE = ("/m/02", "/m/01", "/m/03", "/m/04")
# image, label, confidence
HUMAN = {
    "train": [("a1", "/m/01", 1), ("a1", "/m/02", 0), ("b2", "/m/03", 1), ("b2", "/m/05", 1), ("c3", "/m/02", 0)],
    "test": [("d4", "/m/05", 1), ("d4", "/m/06", 1), ("e5", "/m/06", 1), ("e5", "/m/01", 0), ("f6", "/m/04", 1)],
}
MACHINE = {"train": [("a1", "/m/02", 0.9), ("a1", "/m/04", 0.8), ("b2", "/m/01", 0.6)], "test": [("f6", "/m/05", 0.9)]}


def _csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{image},verification,{label},{confidence}" for image, label, confidence in rows]
    path.write_text("\n".join(["ImageID,Source,LabelName,Confidence", *lines]) + "\n")


def picture(path, seed=0, side=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture
def album(tmp_path):
    return Album.make(tmp_path / "album")


def write_classes(folder):
    root = folder / "classes"
    for part, per_class in (("train", 3), ("val", 2)):
        for number, name in enumerate(("n01", "n02", "n03")):
            for image in range(per_class):
                picture(root / part / name / f"{image}.JPEG", seed=10 * number + image)
    (root / "train/n01/readme.txt").write_text("no image")
    (root / "names.txt").write_text("n01 great white shark\nn03\tgoldfish, Carassius\nn02 tench\n")
    (root / "unseen.txt").write_text("tench\n")
    return root


@pytest.fixture
def classes(tmp_path):
    return write_classes(tmp_path)


def write_coco(folder):
    """Three training and three validation images of COCO's layout, with all 80 categories."""
    names = sorted({*SEEN_48, *UNSEEN_17, *UNSEEN_15, *(f"other {n}" for n in range(12))})
    root = folder / "coco"
    (root / "annotations").mkdir(parents=True)
    shown = {"train": [["dog", "person"], ["person", "person", "car"], [], ["train"]], "val": [["dog"], [], ["car"]]}
    for part, images in shown.items():
        entries = [
            {
                "image_id": 100 + i,
                "category_id": 2 * names.index(name) + 1,
                "segmentation": [[1.0] * 6],
            }
            for i, labels in enumerate(images)
            for name in labels
        ]
        files = [f"COCO_{part}2014_{100 + i:012d}.jpg" for i in range(len(images))]
        content = {
            "categories": [{"id": 2 * i + 1, "name": name} for i, name in enumerate(names)],
            "images": [{"id": 100 + i, "file_name": file} for i, file in enumerate(files)],
            "annotations": entries,
        }
        (root / f"annotations/instances_{part}2014.json").write_text(json.dumps(content))
        for file in files:
            picture(root / f"{part}2014/{file}")
    return root, names


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path)


def write_voc(folder):
    root = folder / "VOC2007"
    (root / "ImageSets/Main").mkdir(parents=True)
    values = {"trainval": [[1, -1, 0], [-1, 1, 1], [0, -1, -1]], "test": [[-1, 1, 0], [1, 0, -1]]}
    for part, table in values.items():
        images = [f"{len(part)}0000{row}" for row in range(len(table))]
        (root / f"ImageSets/Main/{part}.txt").write_text("".join(f"{image}\n" for image in images))
        for column, label in enumerate(("cat", "dog", "tvmonitor")):
            lines = "".join(f"{image} {row[column]:2d}\n" for image, row in zip(images, table, strict=True))
            (root / f"ImageSets/Main/{label}_{part}.txt").write_text(lines)
        for image in images:
            picture(root / f"JPEGImages/{image}.jpg")
    return root


@pytest.fixture
def voc(tmp_path):
    return write_voc(tmp_path)


def write_cifar(folder):
    """The binary version of CIFAR-100, of three labels; and its pixels by part."""
    root = folder / "cifar-100-binary"
    root.mkdir()
    (root / "fine_label_names.txt").write_text("apple\nbear\ncrab\n\n")
    generator = np.random.default_rng(0)
    written = {}
    for part, fine in (("train", [2, 0, 1, 2]), ("test", [1, 2])):
        pixels = generator.integers(0, 256, (len(fine), 3072), dtype=np.uint8)
        records = np.concatenate([np.full((len(fine), 1), 9), np.array(fine)[:, None], pixels], axis=1)
        (root / f"{part}.bin").write_bytes(records.astype(np.uint8).tobytes())
        written[part] = pixels.reshape(-1, 3, 32, 32)
    return root, written


@pytest.fixture
def cifar(tmp_path):
    return write_cifar(tmp_path)


def write_cars(folder):
    root = folder / "cars"
    (root / "devkit").mkdir(parents=True)
    savemat(root / "devkit/cars_meta.mat", {"class_names": np.array(CARS, object)})
    for file, folder, classes in (
        ("cars_train_annos.mat", "cars_train", [3, 1]),
        ("cars_test_annos_withlabels.mat", "cars_test", [2]),
    ):
        kinds = [("bbox_x1", object), ("class", object), ("fname", object)]
        rows = [(1, label, f"{number:05d}.jpg") for number, label in enumerate(classes)]
        savemat(root / "devkit" / file, {"annotations": np.array(rows, kinds)})
        for _, _, name in rows:
            picture(root / folder / name)
    return root


@pytest.fixture
def cars(tmp_path):
    return write_cars(tmp_path)


def write_features(folder):
    """(image, channel, token) features; tags in {-1, 1}, 0 for those that are concepts; concepts in {-1, 1}."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(KNOWN + TRIED, CHANNELS, TOKENS)).astype(np.float32)
    tags = np.where(generator.random((KNOWN + TRIED, len(TAGS))) < 0.4, 1, -1)
    tags[:, 3:] = 0
    tags[2] = -1
    truth = np.where(generator.random((KNOWN + TRIED, len(CONCEPTS))) < 0.4, 1, -1)
    truth[KNOWN + 1] = -1
    (folder / "NUS_WID_Tags").mkdir()
    (folder / "ConceptsList").mkdir()
    (folder / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(TAGS))
    (folder / "ConceptsList/Concepts81.txt").write_text("\n".join(CONCEPTS))
    return folder, values, tags, truth


@pytest.fixture
def features(tmp_path):
    return write_features(tmp_path)


def write_hdf5(root, values, tags, truth, joined=True, nested=False):
    (root / "features").mkdir(exist_ok=True)
    for part, rows in (("train", range(KNOWN)), ("test", range(KNOWN, KNOWN + TRIED))):
        with h5py.File(root / f"features/nus_wide_{part}.h5", "w") as file:
            for row in rows[::-1]:
                name = f"actor{'/' if nested else '_'}{row:04d}.jpg"
                seen = tags[row, :3]
                labels = np.concatenate([seen, truth[row]]) if part == "test" and joined else seen
                file.create_dataset(f"{name}-features", data=values[row], compression="gzip")
                file.create_dataset(f"{name}-labels", data=labels.astype(np.int8), compression="gzip")
                file.create_dataset(f"{name}-labels_3", data=truth[row].astype(np.int8), compression="gzip")


def write_tfrecords(root, values, tags, truth, packed=zlib.compress):
    (root / "TFRecords").mkdir(exist_ok=True)
    for part, rows in (("Train", range(KNOWN)), ("Test", range(KNOWN, KNOWN + TRIED))):
        path = root / f"TFRecords/NUS_WIDE_{part}_full_feature_ZLIB.tfrecords"
        writer = TFRecordWriter(str(path))
        for row in rows:
            writer.write(
                {
                    "feature": (values[row].T.tobytes(), "byte"),
                    "img_id": (f"./data/{row}.jpg".encode(), "byte"),
                    "label_1k": (tags[row].astype(np.float32).tobytes(), "byte"),
                    "label_81": (truth[row].astype(np.float32).tobytes(), "byte"),
                    "epoch": ([1, 2], "int"),
                    "weight": ([0.5], "float"),
                }
            )
        writer.close()
        path.write_bytes(packed(path.read_bytes()))


def write_open_images(folder, version):
    """Version 4 in folders of parts, with archives unpacked side by side; version 6 flat."""
    prefix = "oidv6-" if version == "v6" else ""
    below = {"v4": "{}/", "v6": ""}[version]
    _csv(folder / f"{below.format('train')}{prefix}train-annotations-human-imagelabels.csv", HUMAN["train"])
    _csv(folder / f"{below.format('test')}test-annotations-human-imagelabels.csv", HUMAN["test"])
    for part, rows in MACHINE.items():
        _csv(folder / f"{below.format(part)}{part}-annotations-machine-imagelabels.csv", rows)
    quoted = {label: '"' + name.replace('"', '""') + '"' if "," in name else name for label, name in CLASSES.items()}
    lines = (["LabelName,DisplayName"] if version == "v6" else []) + [f"{label},{quoted[label]}" for label in CLASSES]
    (folder / f"{prefix}class-descriptions.csv").write_text("\n".join(lines))
    (folder / f"{prefix}classes-trainable.txt").write_text("\n".join(TRAINABLE))
    for part, rows in HUMAN.items():
        for image in {row[0] for row in rows}:
            path = folder / "pictures" / (f"{part}_{image[0]}" if version == "v4" else part) / f"{image}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (24, 24), (200, 10, 10)).save(path)
    return OpenImagesConfig(name="open_images", root=folder, images="pictures", version=version, unseen=2)


@pytest.fixture(params=["v4", "v6"])
def open_images(tmp_path, request):
    return write_open_images(tmp_path, request.param)


@pytest.fixture
def regions(tmp_path):
    """Corel5k's file and splits, with (image, cluster) and (image, label) tables."""
    generator = np.random.default_rng(0)
    present = generator.random((30, 11)) < 0.3
    present[:, 0] = True
    targets = generator.random((30, 6)) < 0.4
    targets[:, 0] |= ~targets.any(1)
    labels = np.array(["sky", "sea", "cat", "dog", "rare", "sun"])
    packed = np.packbits(present, axis=1), np.packbits(targets, axis=1)
    # packbits pads to whole bytes: 11 clusters become 16
    np.savez(tmp_path / "regions.npz", X=packed[0], Y=packed[1], labels=labels, n_train=np.int64(20))
    (tmp_path / "split.json").write_text(json.dumps({"test class": ["dog", "sun", "elk"]}))
    (tmp_path / "seen.txt").write_text("sky\nsea\ncat\nhouse\n")
    return tmp_path, present, targets


def check_features(data, values, tags, truth):
    """A dataset of `features` holds what was written."""
    assert (data.seen, data.unseen) == (("sky", "whale", "old dog"), CONCEPTS)
    usable = [row for row in range(KNOWN) if (tags[row, :3] > 0).any()]
    assert len(usable) < KNOWN
    np.testing.assert_array_equal(data.train.targets, tags[usable, :3] > 0)
    np.testing.assert_array_equal(data.test.targets, np.concatenate([tags[KNOWN:, :3], truth[KNOWN:]], axis=1) > 0)
    rows = [3, 1, 4]
    expected = values[[usable[row] for row in rows]].transpose(0, 2, 1)
    np.testing.assert_array_equal(data.train.inputs.read(rows), expected)
    np.testing.assert_array_equal(data.test.inputs.read(range(TRIED)), values[KNOWN:].transpose(0, 2, 1))
