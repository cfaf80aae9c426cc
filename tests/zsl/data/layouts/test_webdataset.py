"""WebDataset shards: the same data as a folder of the same pictures, and what is wrong with a user's."""

import gzip
import io
import json
import sys
import tarfile

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.album import TRAIN
from zsl.data.audit import look_at_images
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.data.pictures import StoredPictures, StreamedPictures
from zsl.data.table import load_data


def write_shard(path, files, packed=False):
    """A tar file of (name, bytes)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(content.getvalue()) if packed else content.getvalue())


def sample(album, image, stem=None):
    """The two files of an image."""
    name = f"pictures/{stem or image}"
    labels = json.dumps({"labels": album.labels(image), "other": 1}).encode()
    return [(f"{name}.jpg", (album.root / "pictures" / album.names[image]).read_bytes()), (f"{name}.json", labels)]


def write_shards(album, packed=False):
    """Two shards of training images and one of test images, by the library; or compressed ones."""
    from webdataset import TarWriter

    album.as_folder()  # the file of unseen labels
    end = ".tar.gz" if packed else ".tar"
    images = range(len(album.names))
    for name, chosen in (("train-0", images[:6]), ("train-1", images[6:TRAIN]), ("test", images[TRAIN:])):
        with TarWriter(str(album.root / f"{name}{end}"), compress=packed) as writer:
            for image in chosen:
                (name, picture), (_, labels) = sample(album, image)
                writer.write({"__key__": name[:-4], "jpg": picture, "json": labels})
    return {
        "name": "webdataset",
        "root": album.root,
        "train": f"train-{{0..1}}{end}",
        "test": f"test{end}",
        "unseen": "unseen.txt",
    }


def check_same(data, other):
    """The same samples: labels, annotations, names and pixels."""
    assert (data.seen, data.unseen, data.fingerprint) == (other.seen, other.unseen, other.fingerprint)
    for own, part in ((data.train, other.train), (data.test, other.test)):
        assert np.array_equal(own.targets.dense(), part.targets.dense())
        rows = range(len(part.targets))
        assert torch.equal(own.inputs.read(rows), part.inputs.read(rows))


@pytest.fixture
def folder(album):
    return load_data(**album.as_folder(), image_size=16)


@pytest.mark.parametrize("packed", [False, True])
def test_shards_are_the_same_data_as_a_folder(album, folder, packed):
    keys = write_shards(album, packed)
    data = load_data(**keys, image_size=16)
    check_same(data, folder)
    assert (data.kind, data.in_order) == ("images", packed)
    assert isinstance(data.train.inputs, StreamedPictures if packed else StoredPictures)
    end = "tar.gz" if packed else "tar"
    assert data.test.inputs.name(0) == str(album.root / f"test.{end}/pictures/{TRAIN}.jpg")
    assert torch.equal(data.train.inputs.read([5, 1, 1])[1], folder.train.inputs.read([1])[0])
    # the index is in the cache now; wildcards name the same shards
    again = load_data(**keys | {"train": f"train-*.{end}", "test": str(album.root / f"tes?.{end}")}, image_size=16)
    assert again.fingerprint == folder.fingerprint
    # without a list of test images, the same ones are chosen
    for share in (0.2, 0.6):
        one = load_data(**keys | {"train": f"t*.{end}", "test": None, "test_share": share}, image_size=16)
        other = load_data(**album.as_folder() | {"test": None, "test_share": share}, image_size=16)
        names = [[file.rpartition("/")[2] for file in data.test.inputs.files] for data in (one, other)]
        assert sorted(names[0]) == sorted(names[1])


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has cores
@pytest.mark.parametrize("packed", [False, True])
def test_several_processes_read_shards(album, folder, packed):
    data = load_data(**write_shards(album, packed), image_size=16)
    loader = batches_of(Samples(data.train), ScoringOrder(len(data.train.targets), 3), workers=2)
    found = torch.cat([opened(batch)[0].clone() for batch in loader])
    assert torch.equal(found, folder.train.inputs.read(range(len(found))))


@pytest.mark.parametrize("packed", [False, True])
def test_a_picture_that_does_not_decode_is_named_and_left_out(album, tmp_path, packed):
    (album.root / "pictures/3.jpg").write_bytes((album.root / "pictures/3.jpg").read_bytes()[:300])
    (album.root / "pictures/13.jpg").write_bytes(b"")
    (album.root / "pictures/6.jpg").write_bytes((album.root / "pictures/5.jpg").read_bytes())
    keys = write_shards(album, packed)
    data, end = load_data(**keys, image_size=16), "tar.gz" if packed else "tar"
    with pytest.raises(InputError, match=rf"^image .*train-0.{end}/pictures/3.jpg does not decode \(.*data.exclude"):
        data.train.inputs.read(range(5))
    for _ in range(2):  # the second look continues from the first one's state
        look = look_at_images(data, state=tmp_path / "state")
        assert [name.rpartition("/")[2] for name in look.broken] == ["3.jpg", "13.jpg"]
        assert "0 bytes; 1 to" in look.broken[f"{album.root}/test.{end}/pictures/13.jpg"]
        assert [[name.rpartition("/")[2] for name in group] for group in look.same] == [["5.jpg", "6.jpg"]]
    assert len((tmp_path / "state").read_text().split()) > 17
    (tmp_path / "bad.txt").write_text("\n".join(look.broken))
    left = load_data(**keys, image_size=16, exclude=tmp_path / "bad.txt")
    assert "2 images that bad.txt lists are left out" in left.notes
    assert left.train.inputs.read(range(9)).shape == (9, 3, 16, 16)  # picture 4 has no label


FILES = [("a/1.jpg", b"x"), ("a/1.json", b'{"labels": ["cat"]}')]


@pytest.mark.parametrize(
    ("files", "keys", "told"),
    [
        (FILES[:1], {}, r"x.tar: sample 'a/1' has no file 'json' with its labels; it has jpg$"),
        (FILES[1:], {}, r"x.tar: sample 'a/1' has no picture; it has json; say which one by data.image"),
        ([*FILES, ("a/1.png", b"x")], {}, r"sample 'a/1' has several pictures; it has jpg, json, png; say which one"),
        (FILES, {"image": "left.jpg"}, r"sample 'a/1' has no file 'left.jpg'; it has jpg, json; say which one"),
        (FILES, {"labels": "tags"}, r"x.tar: a/1.json has no 'tags'; it has 'labels'; say which key it is by data.lab"),
        ([FILES[0], ("a/1.json", b"{}")], {}, r"x.tar: a/1.json has no 'labels'; it has nothing"),
        ([FILES[0], ("a/1.json", b'["cat"]')], {}, r"x.tar: a/1.json is damaged \(.*dictionary\); write \{\"labels\""),
        ([FILES[0], ("a/1.json", b"[" * 99_999)], {}, r"x.tar: a/1.json is damaged \(nested too deeply\); write"),
        ([FILES[0], ("a/1.json", b'{"labels": 7}')], {}, r"x.tar: a/1.json: 'labels' is 7, not a list of names"),
        ([FILES[0], ("a/1.json", b'{"labels": [{}]}')], {}, r"x.tar: a/1.json: label name {} is not text"),
        ([*FILES, ("b.jpg", b"x"), *FILES], {}, r"x.tar holds a/1.jpg twice; remove one"),
        ([*FILES, ("./a/1.jpg", b"x")], {}, r"x.tar holds a/1.jpg twice; remove one"),
        ([*FILES, ("b.jpg", b"x"), ("b.json", FILES[1][1]), ("a/1.txt", b"")], {}, r"x.tar has key 'a/1' twice; give"),
        ([("readme", b"")], {}, r"x.tar holds no sample; its files are named KEY.jpg and KEY.json"),
        (FILES, {"train": "y.tar"}, r"no file .*y.tar; correct data.train"),
        (FILES, {"train": "y-*.tar"}, r"no file .*y-\*.tar; correct data.train"),
        (FILES, {"train": "{x,y}.tar"}, r"no file .*y.tar; correct data.train"),
        (FILES, {"test": "{x.tar"}, r"data.test = '\{x.tar' is no list of shards"),
        (FILES, {"train": "pipe:touch gone"}, r"data.train names 'pipe:touch gone'; shards are files of this machine"),
        (FILES, {"train": "https://host/x.tar"}, r"data.train names 'https://host/x.tar'; shards are files of this"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_shards_that_do_not_fit_are_refused(tmp_path, files, keys, told, packed):
    write_shard(tmp_path / "x.tar", files, packed)
    with pytest.raises(InputError, match=told):
        load_data(name="webdataset", root=tmp_path, **{"train": "x.tar"} | keys)


def test_keys_are_of_one_sample_in_all_shards_of_a_part(album):
    keys = write_shards(album)
    write_shard(album.root / "train-1.tar", sample(album, 7, "0"))
    with pytest.raises(InputError, match=r"train-1.tar has key 'pictures/0' which .*train-0.tar has too; give each"):
        load_data(**keys)
    load_data(**keys | {"train": "train-0.tar", "test": "train-1.tar", "unseen": None})


def test_a_sample_may_hold_other_files(tmp_path):
    odd = [
        ("__index__", b""),
        ("a/1.LEFT.JPG", b"x"),
        ("a/1.cls", b"3"),
        ("a/1.pyd", b"\x80"),
        ("a/1.right.jpg", b"y"),
    ]
    write_shard(tmp_path / "x.tar", [*odd, ("a/1.json", b'{"labels": "cat"}')])
    write_shard(tmp_path / "y.tar", [("1.left.jpg", b"x"), ("1.json", b'{"labels": ["cat"]}')])
    data = load_data(name="webdataset", root=tmp_path, train="x.tar", test="y.tar", image="left.jpg")
    assert (data.seen, list(data.train.inputs.files)) == (("cat",), ["x.tar/a/1.LEFT.JPG"])
    assert data.train.inputs.source(0).read() == b"x"


def test_the_library_is_asked_for(tmp_path, monkeypatch):
    write_shard(tmp_path / "x.tar", FILES)
    monkeypatch.setitem(sys.modules, "webdataset.shardlists", None)
    with pytest.raises(InputError, match=r"^WebDataset shards need webdataset: pip install 'zero-shot-toolkit\[webd"):
        load_data(name="webdataset", root=tmp_path, train="x.tar")
