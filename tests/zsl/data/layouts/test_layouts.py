"""Each layout, on small files written in it: the annotations, the protocol, and what is wrong with a user's files."""

import json
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from scipy.io import savemat

from embeddings.io.errors import InputError
from tests.zsl.album import SEEN, SIDE, TEST, TRAIN, UNSEEN
from tests.zsl.layouts import CARS, picture
from zsl.data.dataset import ImageFiles
from zsl.data.layouts import matlab
from zsl.data.layouts.coco import SEEN_48, UNSEEN_15, UNSEEN_17
from zsl.data.squares import Square
from zsl.data.table import DataConfig, load_data


def _load(**values):
    return load_data(TypeAdapter(DataConfig).validate_python(values))


@pytest.mark.parametrize("layout", ["folder", "ram", "nus_wide", "nus_wide in halves"])
def test_the_same_images_and_labels_in_two_layouts_are_the_same_samples(album, layout):
    first = _load(**album.as_csv(), image_size=32)
    written = {
        "folder": album.as_folder,
        "ram": album.as_ram,
        "nus_wide": lambda: album.as_nus_wide(halves=False),
        "nus_wide in halves": lambda: album.as_nus_wide(halves=True),
    }[layout]
    second = _load(**written(), image_size=32)
    assert first.seen == SEEN
    assert sorted(second.unseen) == sorted(first.unseen)
    assert second.seen == first.seen
    order = [second.unseen.index(name) + len(SEEN) for name in first.unseen]
    columns = [*range(len(SEEN)), *order]
    np.testing.assert_array_equal(first.train.targets, second.train.targets)
    np.testing.assert_array_equal(first.test.targets, second.test.targets.columns(columns))
    np.testing.assert_array_equal(first.test.targets, album.table[TRAIN:])
    assert len(first.train.targets) == TRAIN - 1
    for part in ("train", "test"):
        one, two = getattr(first, part).inputs, getattr(second, part).inputs
        assert torch.equal(one.read(range(len(one))), two.read(range(len(two))))
    if layout != "ram":  # which sorts its unseen labels
        assert second.fingerprint == first.fingerprint


def test_of_a_folder_images_with_unseen_labels_are_tested_on(album):
    config = album.as_folder() | {"test": None, "test_share": 0.3}
    data = _load(**config)
    shows_unseen = {album.names[i] for i in np.flatnonzero(album.table[:, len(SEEN) :].any(1))}
    tested = {path.name for path in data.test.inputs.paths}
    assert shows_unseen < tested
    trained = {path.name for path in data.train.inputs.paths}
    assert trained | tested >= {album.names[i] for i in np.flatnonzero(album.table.any(1))}
    assert not trained & tested
    # a new image moves no old one
    labels = album.root / "labels.csv"
    (album.root / "pictures/new.jpg").write_bytes((album.root / "pictures/0.jpg").read_bytes())
    labels.write_text(f'pictures/new.jpg,"{SEEN[1]}"\n' + labels.read_text("utf-8-sig"), encoding="utf-8")
    more = _load(**config)
    assert {p.name for p in more.test.inputs.paths} - {"new.jpg"} == tested
    closed = _load(**config | {"unseen": None})
    assert (closed.unseen, len(closed.seen)) == ((), len(SEEN + UNSEEN))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pictures/0.jpg,a\npictures/0.jpg,b\n", r"labels.csv:2: image 'pictures/0.jpg' stands above too"),
        (",a\n", "labels.csv:1: no image path"),
        ("", "names no image"),
        ('pictures/0.jpg,"a\n', "labels.csv:1: unexpected end of data; close the quotes"),
        ("pictures/99.jpg,a\npictures/0.jpg,b\npictures/1.jpg,a\n", "1 of 3 images of album are missing .*99.jpg"),
    ],
)
def test_a_wrong_label_file_is_named(album, content, message):
    (album.root / "labels.csv").write_text(content)
    (album.root / "test.txt").write_text("pictures/1.jpg\n")
    config = {"name": "folder", "root": album.root, "test": "test.txt"}
    with pytest.raises(InputError, match=message):
        _load(**config)
    (album.root / "labels.csv").write_bytes("pictures/0.jpg,é".encode("latin-1"))
    with pytest.raises(InputError, match="labels.csv:1: not UTF-8 text"):
        _load(**config)


def test_missing_images_are_skipped_with_a_count_on_demand(album):
    config = album.as_folder()
    (album.root / "pictures/2.jpg").unlink()
    (album.root / "pictures" / album.names[-1]).write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 17 images .* are missing or empty.*data.missing=skip"):
        _load(**config)
    data = _load(**config, missing="skip")
    assert (len(data.train.targets), len(data.test.targets)) == (TRAIN - 2, TEST - 1)
    assert data.notes[0] == "1 of 11 training images show no seen label and are left out"
    assert data.notes[1].startswith("2 of 17 images of album are missing or empty")
    assert [path.rpartition("/")[2] for path in data.missing] == ["2.jpg", album.names[-1]]
    # or by a list
    (album.root / "bad.txt").write_text("".join(f"{path}\n" for path in [*data.missing, "/elsewhere/x.jpg"]))
    listed = _load(**config, exclude=album.root / "bad.txt")
    assert listed.notes[1:] == (
        "2 images that bad.txt lists are left out; 1 of its paths are no images of the dataset",
    )
    assert listed.fingerprint == data.fingerprint


def test_ram_lists_are_refused_where_they_do_not_fit(album):
    config = album.as_ram()
    with pytest.raises(InputError, match=r"'/mnt/somebody/pictures/0.jpg' does not begin with data.prefix = '/data'"):
        _load(**config | {"prefix": "/data"})
    config["train"].write_text('{"images": [["a.jpg"]], "classes": []}')
    with pytest.raises(InputError, match=r"train.json: image 1 is not \[path, \[label, ...\]\] but \['a.jpg'\]"):
        _load(**config)


def test_class_folders_are_a_closed_set_or_have_unseen_classes(classes):
    config = {"name": "class_folders", "root": classes, "names": classes / "names.txt"}
    data = _load(**config)
    assert data.seen == ("great white shark", "tench", "goldfish, Carassius")
    assert data.unseen == ()
    np.testing.assert_array_equal(data.train.targets, np.repeat(np.eye(3), 3, axis=0))
    np.testing.assert_array_equal(data.test.targets, np.repeat(np.eye(3), 2, axis=0))
    data = _load(**config, unseen=classes / "unseen.txt")
    assert (data.seen, data.unseen) == (("great white shark", "goldfish, Carassius"), ("tench",))
    np.testing.assert_array_equal(data.train.targets, np.repeat(np.eye(2), 3, axis=0))
    np.testing.assert_array_equal(data.test.targets, np.repeat(np.eye(3)[[0, 2, 1]], 2, axis=0))
    assert data.leaked == 0
    assert _load(name="class_folders", root=classes).seen == ("n01", "n02", "n03")


def test_wrong_class_folders_are_named(classes):
    config = {"name": "class_folders", "root": classes}
    picture(classes / "val/n09/0.jpg")
    with pytest.raises(InputError, match="val/n09: no training folder of this class"):
        _load(**config)
    with pytest.raises(InputError, match="no name for folder n09"):
        _load(**config, names=classes / "names.txt")
    (classes / "names.txt").write_text("n01 crane\nn02 crane\nn03 x\nn09 y\n")
    with pytest.raises(InputError, match="two folders the name 'crane'"):
        _load(**config, names=classes / "names.txt")
    with pytest.raises(InputError, match="no folder .*nowhere"):
        _load(**config, test="nowhere")


def test_coco_has_a_closed_set_and_two_zero_shot_splits(coco):
    root, names = coco
    assert (len(SEEN_48), len(UNSEEN_17), len(UNSEEN_15)) == (48, 17, 15)
    assert len({*SEEN_48, *UNSEEN_17}) == 65
    data = _load(name="coco", root=root, test="labelled")
    assert (list(data.seen), data.unseen) == (names, ())
    shown = [[names[c] for c in np.flatnonzero(row)] for row in data.train.targets.dense()]
    assert shown == [["dog", "person"], ["car", "person"], ["train"]]
    assert len(data.test.targets) == 2
    assert data.expected["training images"] == 82_081
    data = _load(name="coco", root=root, split="48/17")
    assert (data.seen, data.unseen) == (tuple(SEEN_48), tuple(UNSEEN_17))
    assert [path.name[-7:] for path in data.train.inputs.paths] == ["101.jpg", "103.jpg"]  # 100 shows a dog
    assert data.leaked == 0
    np.testing.assert_array_equal(data.test.targets.label_counts()[48:].sum(), 1)
    kept = _load(name="coco", root=root, split="48/17", leaked="keep", test="labelled")
    assert (len(kept.train.targets), len(kept.test.targets), kept.leaked) == (3, 1, 1)
    data = _load(name="coco", root=root, split="65/15")
    assert len(data.train.targets) == 2  # "train" is unseen here
    assert data.unseen == tuple(UNSEEN_15)
    path = root / "annotations/instances_val2014.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match="val2014.json is not JSON of COCO instances"):
        _load(name="coco", root=root)


def test_voc_leaves_difficult_labels_out_or_counts_them(voc):
    data = _load(name="voc", root=voc)
    assert data.seen == ("cat", "dog", "tvmonitor")
    np.testing.assert_array_equal(data.train.targets, [[1, -1, 0], [-1, 1, 1]])
    np.testing.assert_array_equal(data.test.targets, [[-1, 1, 0], [1, 0, -1]])
    assert data.test.targets.partial
    positive = _load(name="voc", root=voc, difficult="positive")
    np.testing.assert_array_equal(positive.train.targets, [[1, 0, 1], [0, 1, 1], [1, 0, 0]])
    assert not positive.train.targets.partial
    negative = _load(name="voc", root=voc, difficult="negative")
    np.testing.assert_array_equal(negative.test.targets, [[0, 1, 0], [1, 0, 0]])
    path = voc / "ImageSets/Main/dog_test.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match=r"dog_test.txt annotates 1 images, test.txt has 2"):
        _load(name="voc", root=voc)
    path.write_text("nonsense\n")
    with pytest.raises(InputError, match=r"dog_test.txt:1: 'nonsense' is not an image of test.txt with -1, 0 or 1"):
        _load(name="voc", root=voc)


def test_cifar100_is_read_from_its_binary_version(cifar, tmp_path):
    root, written = cifar
    data = _load(name="cifar100", root=root)
    np.testing.assert_array_equal(data.train.targets, np.eye(3)[[2, 0, 1, 2]])
    np.testing.assert_array_equal(data.train.inputs.read([3, 1]), written["train"][[3, 1]])
    assert _load(name="cifar100", root=root, image_size=48).test.inputs.read([0, 1]).shape == (2, 3, 48, 48)
    (tmp_path / "unseen.txt").write_text("bear\n")
    data = _load(name="cifar100", root=root, unseen=tmp_path / "unseen.txt")
    assert (data.seen, data.unseen) == (("apple", "crab"), ("bear",))
    np.testing.assert_array_equal(data.train.targets, np.eye(2)[[1, 0, 1]])
    np.testing.assert_array_equal(data.test.targets, np.eye(3)[[2, 1]])
    (tmp_path / "unseen.txt").write_text("cow\n")
    with pytest.raises(InputError, match="CIFAR-100 has no label 'cow'"):
        _load(name="cifar100", root=root, unseen=tmp_path / "unseen.txt")
    path = root / "train.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"train.bin is not whole"):
        _load(name="cifar100", root=root)


def test_a_value_of_voc_beside_a_control_letter_is_read(voc):
    path = voc / "ImageSets/Main/dog_trainval.txt"
    expected = _load(name="voc", root=voc, image_size=16)
    path.write_bytes(path.read_bytes().replace(b" -1", b" \x1c-1"))
    np.testing.assert_array_equal(_load(name="voc", root=voc, image_size=16).train.targets, expected.train.targets)


def test_matlab_files_of_zeros_are_refused(cars, monkeypatch):
    monkeypatch.setattr(matlab, "MEMORY", 1 << 28)
    path = cars / "devkit/cars_meta.mat"
    size = 300 * 2**20
    savemat(path, {"class_names": np.zeros(3)})
    head = bytearray(path.read_bytes()[:-24])
    for place, number in ((128 + 4, len(head) - 136 + size), (128 + 8 + 16 + 12, size // 8), (len(head) - 4, size)):
        head[place : place + 4] = number.to_bytes(4, "little")
    pack = zlib.compressobj(1)
    packed = pack.compress(bytes(head[128:])) + b"".join(pack.compress(bytes(2**20)) for _ in range(300)) + pack.flush()
    path.write_bytes(bytes(head[:128]) + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 3 * 2**20
    with pytest.raises(InputError, match=r"cars_meta.mat is no Matlab file .*MemoryError"):
        _load(name="stanford_cars", root=cars)


def test_a_matlab_file_that_ends_its_reader_is_one_line(cars, monkeypatch):
    script = cars / "killed.py"
    script.write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr(matlab, "__file__", str(script))
    with pytest.raises(InputError, match=r"cars_meta.mat is no Matlab file .*its parts do not fit together"):
        _load(name="stanford_cars", root=cars)


def test_stanford_cars_are_read_from_matlab_files(cars):
    data = _load(name="stanford_cars", root=cars)
    assert data.seen == CARS
    np.testing.assert_array_equal(data.train.targets, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(data.test.targets, [[0, 1, 0]])
    (cars / "devkit/cars_test_annos_withlabels.mat").rename(cars / "cars_test_annos_withlabels.mat")
    assert _load(name="stanford_cars", root=cars).fingerprint == data.fingerprint
    (cars / "devkit/cars_meta.mat").write_bytes(b"no matlab file")
    with pytest.raises(InputError, match="cars_meta.mat is no Matlab file with 'class_names'"):
        _load(name="stanford_cars", root=cars)


def test_pictures_are_turned_as_exif_says_and_animations_show_their_first(tmp_path):
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[: SIDE // 2] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    (tmp_path / "pictures").mkdir()
    Image.fromarray(pixels).save(tmp_path / "pictures/turned.jpg", exif=exif)
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    frames[0].save(tmp_path / "pictures/moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "labels.csv").write_text("pictures/turned.jpg,a\npictures/moving.gif,a,b\n")
    (tmp_path / "test.txt").write_text("pictures/moving.gif\n")
    data = _load(name="folder", root=tmp_path, test="test.txt", image_size=SIDE)
    turned, moving = data.train.inputs.read([0])[0].float(), data.test.inputs.read([0])[0].float()
    assert turned[:, :, -SIDE // 3 :].mean() > 240  # white is on the right now
    assert turned[:, :, : SIDE // 3].mean() < 15
    assert moving[:, : SIDE // 3].mean() > 240
    assert moving[:, -SIDE // 3 :].mean() < 15


def test_an_image_stands_once_and_in_one_part(album):
    table = album.root / "data.csv"
    config = album.as_csv()
    whole = table.read_text()
    lines = whole.splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="lists image pictures/0.jpg twice in training"):
        _load(**config)
    table.write_text("\n".join([*lines, lines[1].replace("pictures/", "./pictures/").replace("train", "val")]))
    with pytest.raises(InputError, match="1 images of album are in training and in test, such as pictures/0.jpg"):
        _load(**config)


def test_a_misspelt_unseen_name_is_refused(album):
    config = album.as_folder()
    (album.root / "unseen.txt").write_text("pink star\npink stars\n")
    with pytest.raises(InputError, match=r"unseen.txt: no image has label 'pink stars' \(the data has 'pink star'\)"):
        _load(**config)
    (album.root / "unseen.txt").write_text("pink star\nzebra\n")
    assert _load(**config).unseen == ("pink star", "zebra")  # a name without images is no mistake
    config = album.as_csv()
    (album.root / "split.json").write_text(json.dumps({"test class": ["Pink-Star"]}))
    with pytest.raises(InputError, match="split.json: no image has label 'Pink-Star'"):
        _load(**config)
    with pytest.raises(InputError, match="contradict each other"):
        _load(**config, closed=True, unseen="unseen.txt")
    assert _load(**config, closed=True).unseen == ()


def test_training_images_that_show_unseen_labels_are_counted(album):
    config = album.as_nus_wide(halves=False)
    path = album.root / "NUS_WID_Tags/AllTags1k.dat"
    lines = path.read_text().splitlines()
    for row in (1, 2):  # the last tag is an unseen label too
        lines[row] = lines[row].rstrip("\t")[:-1] + "1\t"
    path.write_text("\n".join(lines) + "\n")
    assert _load(**config).leaked == 2


def test_names_may_hold_line_breaks_and_strange_bytes(coco):
    root, names = coco
    path = root / "annotations/instances_train2014.json"
    content = json.loads(path.read_text())
    odd = "odd\nname.jpg"
    (root / "train2014" / content["images"][0]["file_name"]).rename(root / "train2014" / odd)
    content["images"][0]["file_name"] = odd
    path.write_text(json.dumps(content))
    data = _load(name="coco", root=root)
    assert next(data.train.inputs.paths).name == odd
    assert [names[c] for c in np.flatnonzero(data.train.targets.dense()[1])] == ["car", "person"]
    content["categories"][0]["name"] = content["categories"][1]["name"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="two categories of one name"):
        _load(name="coco", root=root)


def test_a_cars_file_without_classes_is_named(cars):
    savemat(
        cars / "devkit/cars_test_annos_withlabels.mat",
        {"annotations": np.array([(1, "00000.jpg")], [("bbox_x1", object), ("fname", object)])},
    )
    with pytest.raises(InputError, match="cars_test_annos_withlabels.mat has no classes"):
        _load(name="stanford_cars", root=cars)


@pytest.mark.parametrize("fault", ["cut", "exif", "text", "zeros"])
def test_whatever_is_wrong_with_a_picture_it_is_named(tmp_path, fault):
    path = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(path, exif=exif)
    whole = path.read_bytes()
    place = whole.index(b"Exif") + 6
    damaged = {
        "cut": whole[: len(whole) // 2],
        "exif": whole[:place] + bytes(b ^ 0x55 for b in whole[place : place + 30]) + whole[place + 30 :],
        "text": b"not a picture",
        "zeros": bytes(500),
    }[fault]
    path.write_bytes(damaged)
    inputs = ImageFiles(tmp_path, ["x.jpg"], Square(16))
    refused = pytest.raises(InputError, match=r"^image .*x.jpg does not decode")
    with refused if fault != "exif" else suppress(InputError):  # Pillow may pass over it
        assert inputs.read([0]).shape == (1, 3, 16, 16)
