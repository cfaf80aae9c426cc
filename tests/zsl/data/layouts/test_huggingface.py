"""Hugging Face datasets: the same data as a folder of the same pictures, and what is wrong with a user's."""

import pickle
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from pyarrow import parquet

from embeddings.io.errors import InputError
from tests.zsl.album import TRAIN
from tests.zsl.data.layouts.test_webdataset import check_same
from zsl.data.audit import look_at_images
from zsl.data.layouts import hub_tables
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.data.pictures import ImageFiles, StoredPictures, StreamedPictures
from zsl.data.squares import Square
from zsl.data.table import load_data

NAMES = List(Value("string"))


@pytest.fixture(autouse=True)
def _own_tables(tmp_path, monkeypatch):
    """The library's copies of Parquet files go to the test's folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "tables")


def table(album, images, path="pictures/{}", **columns):
    """A table of some images of an album."""
    paths = [path and path.format(album.names[image]) for image in images]
    content = [(album.root / "pictures" / album.names[image]).read_bytes() for image in images]
    rows = {"image": [{"bytes": own, "path": path} for own, path in zip(content, paths, strict=True)]}
    return Dataset.from_dict(
        rows | {"labels": [album.labels(image) for image in images]} | columns,
        features=Features({"image": Image(), "labels": NAMES} | {name: Value("string") for name in columns}),
    )


def write(rows, path):
    """A Parquet file of a table, as the library writes it, but without the pictures of its paths."""
    parquet.write_table(rows.data.table.cast(rows.features.arrow_schema), path)


def write_tables(album, **options):
    """Parquet files of a training and a test split, as the hub has them, in a folder of their own."""
    folder = album.root / "tables"
    folder.mkdir()
    for split, images in (("train", range(TRAIN)), ("test", range(TRAIN, len(album.names)))):
        write(table(album, images, **options), folder / f"{split}-00000-of-00001.parquet")
    album.as_folder()  # the file of unseen labels
    return {"name": "huggingface", "path": str(folder), "test_split": "test", "unseen": album.root / "unseen.txt"}


@pytest.fixture
def folder(album):
    return load_data(**album.as_folder(), image_size=16)


@pytest.mark.parametrize("streaming", [False, True])
def test_parquet_files_are_the_same_data_as_a_folder(album, folder, streaming):
    keys = write_tables(album) | {"streaming": streaming}
    data = load_data(**keys, image_size=16)
    check_same(data, folder)
    assert (data.kind, data.in_order, data.notes) == ("images", streaming, folder.notes)
    assert isinstance(data.train.inputs, StreamedPictures if streaming else StoredPictures)
    assert data.test.inputs.name(0) == f"{keys['path']}/test/0/{TRAIN}.jpg"
    assert torch.equal(data.train.inputs.read([5, 1, 1])[1], folder.train.inputs.read([1])[0])
    # without a list of test images, the same ones are chosen
    for share in (0.2, 0.6):
        pattern = {"path": f"{keys['path']}/t*.parquet", "test_split": None, "test_share": share}
        one = load_data(**keys | pattern, image_size=16)
        other = load_data(**album.as_folder() | {"test": None, "test_share": share}, image_size=16)
        names = [{file.rpartition("/")[2] for file in data.test.inputs.files} for data in (one, other)]
        assert names[0] == names[1]


def test_a_saved_dataset_is_the_same_data(album, folder):
    keys = write_tables(album)
    splits = {"train": range(TRAIN), "test": range(TRAIN, len(album.names))}
    tables = DatasetDict({split: table(album, images) for split, images in splits.items()})
    tables.save_to_disk(album.root / "saved")
    data = load_data(**keys | {"path": str(album.root / "saved")}, image_size=16)
    check_same(data, folder)
    check_same(pickle.loads(pickle.dumps(data)), folder)  # as processes that decode get it
    with pytest.raises(InputError, match=r"saved is mapped into memory, not streamed; remove data.streaming"):
        load_data(**keys | {"path": str(album.root / "saved"), "streaming": True})
    every = table(album, range(len(album.names))).shuffle(seed=1)
    every.save_to_disk(album.root / "mixed")
    mixed = load_data(**keys | {"path": str(album.root / "mixed"), "test_split": None}, image_size=16)
    pictures = ImageFiles(album.root / "pictures", album.names, Square(16))
    images = [int(Path(file).stem) for file in mixed.train.inputs.files]
    assert images != sorted(images)
    assert torch.equal(mixed.train.inputs.read(range(len(images))), pictures.read(images))


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has cores
@pytest.mark.parametrize("streaming", [False, True])
def test_several_processes_read_tables(album, folder, streaming):
    data = load_data(**write_tables(album) | {"streaming": streaming}, image_size=16)
    loader = batches_of(Samples(data.train), ScoringOrder(len(data.train.targets), 3), workers=2)
    found = torch.cat([opened(batch)[0].clone() for batch in loader])
    assert torch.equal(found, folder.train.inputs.read(range(len(found))))


def test_pictures_without_names_have_row_numbers(album, folder):
    data = load_data(**write_tables(album, path=None), image_size=16)
    assert data.notes[-1] == "18 images have no name in column 'image'; their row numbers are used instead"
    assert (data.test.inputs.files[2], data.train.inputs.files[4]) == ("test/2", "train/5")  # image 4 has no label
    assert data.fingerprint != folder.fingerprint
    assert torch.equal(data.train.inputs.read([4]), folder.train.inputs.read([4]))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_picture_that_does_not_decode_is_named_and_left_out(album, tmp_path, streaming):
    (album.root / "pictures/3.jpg").write_bytes((album.root / "pictures/3.jpg").read_bytes()[:300])
    (album.root / "pictures/13.jpg").write_bytes(b"")
    keys = write_tables(album) | {"streaming": streaming}
    data = load_data(**keys, image_size=16)
    broken = [f"{keys['path']}/train/3/3.jpg", f"{keys['path']}/test/2/13.jpg"]
    for part, name in ((data.train, broken[0]), (data.test, broken[1])):
        with pytest.raises(InputError, match=rf"^image {name} does not decode \(.*set data.exclude"):
            part.inputs.read(range(5))
    if streaming:
        assert list(look_at_images(data).broken) == broken
    (tmp_path / "bad.txt").write_text("\n".join(broken))
    left = load_data(**keys, image_size=16, exclude=tmp_path / "bad.txt")
    assert left.train.inputs.read(range(9)).shape == (9, 3, 16, 16)  # picture 4 has no label


def small(path, image, labels, features):
    """One Parquet file, and the keys to read it."""
    write(Dataset.from_dict({"image": image, "labels": labels}, features=Features(features)), path / "x.parquet")
    return {"name": "huggingface", "path": str(path / "x.parquet"), "test_share": 0.5, "image_size": 8}


def shown(data):
    """The labels of each image by its name."""
    found = {}
    for part in (data.train, data.test):
        for row, targets in enumerate(part.targets.dense()):
            name = part.inputs.files[row].rpartition("/")[2]
            found[name] = [(data.seen + data.unseen)[column] for column in np.flatnonzero(targets)]
    return found


@pytest.mark.parametrize(
    ("feature", "labels", "keys"),
    [
        (NAMES, [["sky", "old dog"], ["sky"], ["sea"]], {}),
        (List(ClassLabel(names=["old dog", "sea", "gone", " sky "])), [[3, 0], [3, 3], [1]], {}),
        (Value("string"), ["sky; old dog", "sky ;", "sea"], {"separator": ";"}),
    ],
)
def test_labels_are_lists_classes_or_texts(album, tmp_path, feature, labels, keys):
    pictures = [{"bytes": (album.root / f"pictures/{n}.jpg").read_bytes(), "path": f"{n}.jpg"} for n in range(3)]
    keys |= small(tmp_path, pictures, labels, {"image": Image(), "labels": feature})
    data = load_data(**keys)
    assert data.seen == ("old dog", "sea", "sky")
    assert shown(data) == {"0.jpg": ["old dog", "sky"], "1.jpg": ["sky"], "2.jpg": ["sea"]}


@pytest.mark.parametrize(
    ("feature", "labels"), [(Value("string"), ["b;c", "a", "a"]), (ClassLabel(names=["a", "b;c"]), [1, 0, 0])]
)
@pytest.mark.parametrize("kind", [Image(), Value("binary"), {"bytes": Value("binary"), "path": Value("string")}])
def test_a_row_may_have_one_label_and_bytes(album, tmp_path, feature, labels, kind):
    content = [(album.root / f"pictures/{n}.jpg").read_bytes() for n in range(3)]
    pictures = content if kind == Value("binary") else [{"bytes": own, "path": None} for own in content]
    data = load_data(**small(tmp_path, pictures, labels, {"image": kind, "labels": feature}))
    assert shown(data) == {"0": ["b;c"], "1": ["a"], "2": ["a"]}
    for part in (data.train, data.test):
        part.inputs.read(range(len(part.inputs)))


@pytest.mark.parametrize("kind", [Value("string"), Image()])
def test_pictures_may_be_files(album, folder, kind):
    keys = album.as_folder()
    for split, images in (("train", range(TRAIN)), ("test", range(TRAIN, len(album.names)))):
        paths = [f"pictures/{album.names[image]}" for image in images]
        rows = {"image": paths if kind == Value("string") else [{"bytes": None, "path": path} for path in paths]}
        rows["labels"] = [album.labels(image) for image in images]
        features = Features({"image": kind, "labels": NAMES})
        write(Dataset.from_dict(rows, features=features), album.root / f"{split}.parquet")
    keys = {"name": "huggingface", "path": str(album.root), "test_split": "test", "unseen": album.root / "unseen.txt"}
    data = load_data(**keys, image_size=16)
    check_same(data, folder)
    assert isinstance(data.train.inputs, ImageFiles)
    (album.root / "pictures/2.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 17 images of album are missing or empty, such as .*2.jpg; restore"):
        load_data(**keys)
    assert len(load_data(**keys, missing="skip").missing) == 1


def test_pictures_outside_the_folder_are_refused(tmp_path):
    (tmp_path / "x").mkdir()
    for path in ("../secret.jpg", "/etc/passwd"):
        keys = small(tmp_path / "x", [path] * 9, ["a"] * 9, {"image": Value("string"), "labels": Value("string")})
        with pytest.raises(InputError, match=r"lies outside the folder .*x; move it there, or set data.outside=true"):
            load_data(**keys)


GOOD = {"image": Image(), "labels": Value("string")}
ONE = [{"bytes": b"x", "path": "1.jpg"}]


@pytest.mark.parametrize(
    ("image", "labels", "features", "keys", "told"),
    [
        (ONE, ["a"], GOOD, {"image": "img"}, r"split train has no column 'img'; it has image, labels; set data.image"),
        (ONE, ["a"], GOOD, {"labels": "tags"}, r"no column 'tags'; it has image, labels; set data.labels"),
        (
            ONE,
            ["a"],
            GOOD,
            {"test_split": "val"},
            r"no Parquet file of .*x.parquet has 'train' in its name or folder, such as train-0.parquet",
        ),
        (
            ONE,
            [3],
            GOOD | {"labels": Value("int64")},
            {},
            r"column 'labels' holds Value\('int64'\); labels are names or",
        ),
        (
            [7],
            ["a"],
            GOOD | {"image": Value("int64")},
            {},
            r"column 'image' holds Value\('int64'\); pictures are an Im",
        ),
        (ONE, [["a"]], GOOD | {"labels": NAMES}, {"separator": ","}, r"which data.separator cannot divide; remove it"),
        (ONE, [[None]], GOOD | {"labels": NAMES}, {}, r"split train, row 0: label name None is not text"),
        (
            ONE,
            [-1],
            GOOD | {"labels": ClassLabel(names=["a"])},
            {},
            r"row 0 has label -1, but the column names classes",
        ),
        ([*ONE, None], ["a", "a"], GOOD, {"streaming": True}, r"train, row 1 has no image in column 'image'; remove"),
        ([*ONE, None], ["a", "a"], GOOD, {}, r"split train, row 1 has no image in column 'image'; remove the row"),
        ([*ONE, {"bytes": None, "path": "2"}], ["a", "a"], GOOD, {}, r"row 1 of column 'image' holds only a path, oth"),
        (
            ONE,
            ["a"],
            GOOD,
            {"test_split": "train"},
            r"1 images of x.parquet are in training and in test, such as train",
        ),
        (ONE, ["a"], GOOD, {"revision": "main"}, r"data.revision is for datasets on the hub, but .*x.parquet is on th"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, image, labels, features, keys, told):
    with pytest.raises(InputError, match=told):
        load_data(**small(tmp_path, image, labels, features) | keys)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("gone.parquet", r"no file .*gone.parquet; correct data.path"),
        ("gone-*.parquet", r"no file .*gone-\*.parquet; correct data.path"),
        ("gone", r"gone is no Parquet file, no folder of them and no name on the hub; correct data.path"),
        ("", r"holds no Parquet file, and is no folder of save_to_disk; correct data.path"),
    ],
)
def test_paths_without_tables_are_refused(tmp_path, path, told):
    with pytest.raises(InputError, match=told):
        load_data(name="huggingface", path=str(tmp_path / path))


@pytest.mark.parametrize("streaming", [False, True])
def test_damaged_files_are_named(album, tmp_path, streaming, capfd):
    keys = write_tables(album) | {"streaming": streaming}
    path = Path(keys["path"]) / "train-00000-of-00001.parquet"
    whole = path.read_bytes()
    for broken in (whole[:-300], b"", b"PAR1" + bytes(90) + b"PAR1"):
        path.write_bytes(broken)
        with pytest.raises(
            InputError, match=r"(dataset|image) .* (cannot be read|does not decode) \(.*; (fetch|replace)"
        ):
            load_data(**keys).train.inputs.read(range(10))
    assert capfd.readouterr() == ("", "")


def test_a_damaged_saved_dataset_is_refused(album):
    keys = write_tables(album) | {"path": str(album.root / "saved")}
    table(album, range(TRAIN)).save_to_disk(keys["path"])
    (path,) = Path(keys["path"]).glob("*.arrow")
    whole = path.read_bytes()
    place = whole.index(np.array([0, 14], np.int32).tobytes())  # where the paths begin and end
    path.write_bytes(whole[:place] + np.array([0, 1 << 30], np.int32).tobytes() + whole[place + 8 :])
    with pytest.raises(InputError, match=r"saved cannot be read \(.*\); fetch it or write it again"):
        load_data(**keys | {"test_split": None})


def test_files_that_unpack_to_far_more_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_tables, "UNPACKED", 1 << 20)
    rows = pyarrow.table({"image": [bytes(1 << 21)], "labels": ["a"]})
    parquet.write_table(rows, tmp_path / "x.parquet", compression="zstd")
    with pytest.raises(
        InputError, match=r"x.parquet unpacks to \d,\d+,\d+ bytes; at most 1,048,576 are read; write it"
    ):
        load_data(name="huggingface", path=str(tmp_path))


def test_files_are_of_the_split_that_they_name(album, folder):
    keys = write_tables(album)
    tables = Path(keys["path"])
    for split in ("train", "test"):
        (tables / split).mkdir()
        (tables / f"{split}-00000-of-00001.parquet").rename(tables / split / "0.parquet")
    check_same(load_data(**keys, image_size=16), folder)
    (tables / "test" / "0.parquet").rename(tables / "train" / "test.parquet")
    with pytest.raises(InputError, match=r"train/test.parquet has the names of two splits, train and test; rename it"):
        load_data(**keys)
    table(album, range(3)).save_to_disk(album.root / "saved")
    with pytest.raises(InputError, match=r"saved has no split 'test'; it has train"):
        load_data(**keys | {"path": str(album.root / "saved")})


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    def load_dataset(path, name, revision, streaming):
        assert (path, name, revision, streaming) == ("owner/data", "small", "v1", True)
        raise ConnectionError("Couldn't reach 'owner/data' on the Hub (LocalEntryNotFoundError)")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    told = (
        r"^dataset owner/data cannot be read \(Couldn't reach 'owner/data' on the Hub \(LocalEntryNotFoundError\)\); "
    )
    with pytest.raises(InputError, match=told + "correct data.path, or give a local copy$"):
        load_data(name="huggingface", path="owner/data", subset="small", revision="v1", streaming=True)


def test_a_dataset_of_the_hub_is_read_as_a_local_one(album, folder, monkeypatch):
    keys = write_tables(album) | {"path": "owner/data"}
    images = {"train": range(TRAIN), "test": range(TRAIN, len(album.names))}
    parts = DatasetDict({split: table(album, rows) for split, rows in images.items()})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: parts)
    check_same(load_data(**keys, image_size=16), folder)
    # pictures that the library has downloaded as files
    for split, rows in images.items():
        own = [{"bytes": None, "path": str(album.root / "pictures" / album.names[image])} for image in rows]
        columns = {"image": own, "labels": [album.labels(image) for image in rows]}
        parts[split] = Dataset.from_dict(columns, features=Features({"image": Image(), "labels": NAMES}))
    with pytest.raises(InputError, match=r"owner/data: image .* lies outside the folder .*; move it there, or"):
        load_data(**keys)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(album.root))
    check_same(load_data(**keys, image_size=16), folder)
    streamed = datasets.IterableDataset.from_generator(lambda: iter([{"image": "1.jpg", "labels": "a"}]))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": streamed, "test": streamed})
    with pytest.raises(InputError, match=r"split train does not say what its columns hold before it is read; remove"):
        load_data(**keys, streaming=True)


def test_the_library_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"^Hugging Face datasets need their library: pip install 'zero-shot-toolkit"):
        load_data(name="huggingface", path="owner/data")
