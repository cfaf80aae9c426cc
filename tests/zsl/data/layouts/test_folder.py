"""Label files as other people write them: separators, lists, encodings, names and paths."""

import codecs
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from embeddings.io.errors import InputError
from tests.zsl.album import SEEN, UNSEEN
from zsl.data.layouts.split import forms
from zsl.data.table import DataConfig, load_data

LINES = "im/0.jpg,dog,cat\nim/1.jpg,cat,bear\nim/2.jpg,bear,dog\nim/3.jpg,dog\n"
LABELS = ("bear", "cat", "dog")
TABLE = "filepath,classes,split_name\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images, of which the last is tested on."""
    folder = tmp_path / "data"
    (folder / "im").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(folder / f"im/{number}.jpg")
    (folder / "test.txt").write_text("im/3.jpg\n")
    return folder


def _folder(root: Path, content: str | bytes, **options):
    data = content if isinstance(content, bytes) else content.encode()
    (root / "labels.csv").write_bytes(data)
    return _load(name="folder", root=root, test="test.txt", **options)


def _csv(root: Path, classes: str, **options):
    rows = "".join(f'im/{n}.jpg,"{classes}",{"train" if n < 3 else "val"}\n' for n in range(4))
    (root / "data.csv").write_text(TABLE + rows)
    return _load(name="csv", root=root, **{"closed": True} | options)


def _load(**values):
    return load_data(TypeAdapter(DataConfig).validate_python({"image_size": 8, **values}))


def test_other_separators_encodings_and_backslashes_are_the_same_data(root):
    plain = _folder(root, LINES)
    assert (plain.seen, plain.notes) == (LABELS, ())
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        data = _folder(root, LINES.replace(",", separator))
        assert data.fingerprint == plain.fingerprint
        assert data.notes == (f"labels.csv separates its fields by {name}",)
    for content in (codecs.BOM_UTF8 + LINES.encode(), LINES.encode("utf-16"), LINES.replace("/", "\\").encode()):
        data = _folder(root, content)
        assert (data.fingerprint, data.notes) == (plain.fingerprint, ())
    (root / "test.txt").write_text("im\\3.jpg\n")
    assert _folder(root, LINES).fingerprint == plain.fingerprint
    data = _folder(root, 'im/0.jpg;"a;b";Bordeaux, red\nim/3.jpg;dog\n')
    assert data.seen == ("Bordeaux, red", "a;b", "dog")


def test_a_file_whose_name_holds_a_backslash_is_found(root):
    (root / "im/0.jpg").rename(root / "im/a\\b;c.jpg")
    data = _folder(root, LINES.replace("im/0.jpg", "im/a\\b;c.jpg"))
    assert next(iter(data.train.inputs.paths)).name == "a\\b;c.jpg"


def test_the_csv_layout_takes_the_same_variants(root):
    plain = _csv(root, "[dog, cat]")
    table = root / "data.csv"
    whole = table.read_text()
    for content, note in (
        (whole.replace("im/", "im\\"), ()),
        (whole.replace(",", ";").replace("; ", ", "), ("data.csv separates its fields by semicolons",)),
    ):
        table.write_text(content)
        data = _load(name="csv", root=root, closed=True)
        assert (data.fingerprint, data.notes) == (plain.fingerprint, note)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ("['dog', 'old, cat']", ["dog", "old, cat"]),
        (r"['it\'s', 'a\\b', '\u00e9\U0001f44d']", ["a\\b", "it's", "é👍"]),
        ('[""it\'s"", \'b\']', ["b", "it's"]),
        ("[dog|cat, 'x' y]", None),
        ("dog, cat", ["cat", "dog"]),
        ("[dog, it's]", ["dog", "it's"]),
    ],
)
def test_lists_of_names_are_read_without_being_evaluated(root, classes, names):
    if names is None:
        with pytest.raises(InputError, match="data.csv:2: .*quote all names or none"):
            _csv(root, classes)
    else:
        assert list(_csv(root, classes).seen) == names


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ("['dog' 'cat']", r"""data.csv:2: classes "\['dog' 'cat'\]" lack a comma after "'dog'"; write \['a', 'b'\]"""),
        ("['dog', " + "-" * 100_000 + "'1']", r"data.csv:2: classes .*\.\.\. \(100,012 letters\) are not a list"),
        ("[" + "-" * 100_000 + "1]", r"data.csv:2: label name '-+'\.\.\. \(100,001 letters\) is too long"),
        ("['" + "[" * 100_000 + "']", r"data.csv:2: label name .* is too long"),
        ("['a', b'c']", "data.csv:2: classes .* are not a list of quoted names"),
        ("x" * 200_000, "data.csv:2: field larger than field limit"),
        (r"['a\nb']", "data.csv:2: label name 'a.nb' holds a line break"),
        (r"['a\ud800']", "data.csv:2: label name 'a.ud800' is not Unicode text"),
    ],
)
def test_a_list_that_is_not_valid_is_named_with_its_line(root, classes, told):
    with pytest.raises(InputError, match=told) as caught:
        _csv(root, classes)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("p\0q/1.jpg,a\n", "labels.csv:1: a zero byte"),
        ("im/0.jpg," + "x" * 200_000, "labels.csv:1: field larger than field limit"),
        ("im/0.jpg dog\nim/3.jpg cat\n", "labels.csv has no label on any line; write path,label"),
        ("im/0.jpg,dog\n../im/1.jpg,dog\nim/3.jpg,dog\n", "labels.csv:2: image '../im/1.jpg' lies outside .*data$"),
        ("im/0.jpg,dog\nim/../../x.jpg,dog\nim/3.jpg,dog\n", "labels.csv:2: image .* lies outside"),
        ("im/0.jpg,dog\n..\\x.jpg,dog\nim/3.jpg,dog\n", "labels.csv:2: image .* lies outside"),
        ("im/0.jpg,dog\n/etc/x.jpg,dog\nim/3.jpg,dog\n", "labels.csv:2: image '/etc/x.jpg' lies outside"),
    ],
)
def test_a_wrong_line_of_a_label_file_is_named(root, content, told):
    with pytest.raises(InputError, match=told.replace("$", "; move it there, or set data.outside=true")):
        _folder(root, content)


def test_images_outside_the_folder_are_read_on_demand(root):
    elsewhere = root.parent / "elsewhere"
    (root / "im/0.jpg").rename(root.parent / "0.jpg")
    plain = LINES.replace("im/0.jpg", str(root.parent / "0.jpg"))
    assert len(_folder(root, plain, outside=True).train.targets) == 3
    assert len(_folder(root, LINES.replace("im/0.jpg", "../0.jpg"), outside=True).train.targets) == 3
    # absolute paths within it, and links out of it, need no leave
    elsewhere.symlink_to(root)
    for base in (root, elsewhere):
        (base / "im/0.jpg").unlink(missing_ok=True)
        (base / "im/0.jpg").symlink_to(root.parent / "0.jpg")
        (base / "labels.csv").write_text(LINES.replace("im/0.jpg", str(root / "im/0.jpg")))
        assert len(_load(name="folder", root=base, test="test.txt").train.targets) == 3


def test_every_layout_keeps_to_its_folder(album, coco, voc):
    config = album.as_ram()
    content = json.loads(config["train"].read_text())
    content["images"][0][0] = "/mnt/somebody/pictures/../../x.jpg"
    config["train"].write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"train.json: image '../../x.jpg' lies outside"):
        _load(**config)
    nus = album.as_nus_wide(halves=True)
    listed = album.root / "ImageList/TrainImagelist.txt"
    listed.write_text(listed.read_text().replace("pictures\\0.jpg", "..\\0.jpg"))
    with pytest.raises(InputError, match=r"TrainImagelist.txt: image '../0.jpg' lies outside"):
        _load(**nus)
    listed = coco[0] / "annotations/instances_train2014.json"
    for name, told in (
        ("../../x.jpg", "image 'train2014/../../x.jpg' lies outside"),
        ("a\0b", "cannot be the path of an image"),
    ):
        content = json.loads(listed.read_text())
        content["images"][0]["file_name"] = name
        listed.write_text(json.dumps(content))
        with pytest.raises(InputError, match=f"instances_train2014.json: .*{told}"):
            _load(name="coco", root=coco[0])
    for path in (voc / "ImageSets/Main").glob("*trainval.txt"):
        path.write_text(path.read_text().replace("800000", "../x"))
    with pytest.raises(InputError, match=r"trainval.txt:1: image '../x.jpg' lies outside"):
        _load(name="voc", root=voc)


NAMES = ("माला", "C#", "café", "👍", "Dog", "dog", "मील", "C++", "👎")


def test_names_that_differ_in_marks_symbols_or_form_are_told_apart(root):
    lines = f"im/0.jpg,माला,C#\nim/1.jpg,{unicodedata.normalize('NFD', 'café')},👍\nim/2.jpg,Dog\nim/3.jpg,dog,मील\n"
    (root / "unseen.txt").write_text("मील\nC++\ncafé\n👎\n")
    data = _folder(root, lines, unseen="unseen.txt")
    assert data.unseen == ("मील", "C++", "café", "👎")
    assert data.test.targets.label_counts()[-4:].tolist() == [1, 0, 0, 0]
    assert not any(set(forms(one)) & set(forms(two)) for one in data.unseen for two in data.seen)


def test_forms_pass_over_case_blanks_number_and_punctuation():
    for one, two in (("Pink-Star", "pink stars"), ("St. Bernard", "st bernard"), ("❤", "❤️"), ("Bäume", "BÄUME")):
        assert set(forms(one)) & set(forms(two))
    for one, two in (("C", "C#"), ("?", "!"), ("AT&T", "att"), ("कि", "की")):
        assert not set(forms(one)) & set(forms(two))


def test_files_nested_too_deeply_are_refused(album):
    deep = "[" * 100_000
    config = album.as_csv()
    (album.root / "split.json").write_text(deep)
    with pytest.raises(InputError, match=r"split.json is not JSON of the split \(nested too deeply\)"):
        _load(**config)
    config = album.as_ram()
    config["train"].write_text(deep)
    with pytest.raises(InputError, match=r"train.json is not JSON of images and classes \(nested too deeply\)"):
        _load(**config)


def test_json_files_may_begin_with_a_byte_order_mark(album):
    config = album.as_ram()
    plain = _load(**config)
    for path in (config["train"], config["test"]):
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert _load(**config).fingerprint == plain.fingerprint
    config = album.as_csv()
    plain = _load(**config)
    split = album.root / "split.json"
    split.write_bytes(codecs.BOM_UTF8 + split.read_bytes())
    assert _load(**config).fingerprint == plain.fingerprint


def test_images_of_a_folder_with_unseen_labels_are_test_images(album):
    config = album.as_folder() | {"test": None, "test_share": 0.3}
    data = load_data(**config)
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
    more = load_data(**config)
    assert {p.name for p in more.test.inputs.paths} - {"new.jpg"} == tested
    with pytest.raises(InputError, match=r"no file .*nowhere\.txt; list the unseen labels .* data\.unseen=none"):
        load_data(**config | {"unseen": "nowhere.txt"})
    closed = load_data(**config | {"unseen": None})
    assert (closed.unseen, len(closed.seen)) == ((), len(SEEN + UNSEEN))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pictures/0.jpg,a\npictures/0.jpg,b\n", r"labels.csv:2: image 'pictures/0.jpg' is listed above too"),
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
        load_data(**config)
    (album.root / "labels.csv").write_bytes("pictures/0.jpg,é".encode("latin-1"))
    with pytest.raises(InputError, match="labels.csv:1: not UTF-8 text"):
        load_data(**config)
