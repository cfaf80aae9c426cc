"""Tar files that are damaged, or that ask for more memory than they should."""

import gzip
import tarfile
import tracemalloc

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.data.layouts.test_webdataset import FILES, write_shard
from zsl.data.layouts.tar_shards import Shards, read_samples
from zsl.data.pictures import LARGEST

MANY = [(f"{number}.{end}", bytes([65 + number]) * 700) for number in range(7) for end in ("jpg", "json")]


def _read(path):
    return list(read_samples(path, lambda name: name.endswith("json")))


@pytest.mark.parametrize("packed", [False, True])
def test_samples_are_those_of_tarfile(tmp_path, packed):
    path = tmp_path / "x.tar"
    write_shard(path, MANY, packed)
    found = _read(path)
    assert [sample.key for sample in found] == list("0123456")
    for number, sample in enumerate(found):
        assert sample.members["json"].content == MANY[2 * number + 1][1]
        assert (sample.members["jpg"].content, sample.members["jpg"].size) == (None, 700)
        if not packed:
            place = np.array([0, sample.members["jpg"].offset, 700])
            assert Shards((path,)).read(place) == MANY[2 * number][1]


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_shard_is_refused_wherever_it_was_cut(tmp_path, packed):
    path = tmp_path / "x.tar"
    write_shard(path, MANY, packed)
    whole = path.read_bytes()
    ends = range(1, 20_000 if not packed else len(whole), 977 if not packed else 41)
    for end in (end for end in ends if end < 14 * 1536 + 512):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"x.tar is no whole tar file \(.*\); fetch it or write it again$"):
            _read(path)


def test_a_damaged_header_is_not_the_end(tmp_path):
    path = tmp_path / "x.tar"
    write_shard(path, MANY)
    whole = bytearray(path.read_bytes())
    whole[3 * 1536 + 150] ^= 7  # the checksum of the fourth file's header
    path.write_bytes(whole)
    with pytest.raises(InputError, match="x.tar is no whole tar file"):
        _read(path)


def _header(kind, size):
    info = tarfile.TarInfo("a/1.json")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_header(tarfile.REGTYPE, 2**40) + bytes(1 << 22), "a/1.json has 1,099,511,627,776 bytes; at most"),
        (_header(tarfile.REGTYPE, LARGEST) + bytes(1 << 22), "is no whole tar file"),
        (_header(tarfile.XHDTYPE, 2**40) + bytes(1 << 22), "is no whole tar file .a header of 1,099,511,627,776 bytes"),
        (_header(tarfile.GNUTYPE_LONGNAME, 2**33) + bytes(1 << 22), "is no whole tar file .a header of 8,589,934,592"),
    ],
)
def test_shards_take_no_more_memory_than_a_file(tmp_path, content, told, packed):
    path = tmp_path / "x.tar"
    path.write_bytes(packed(content))
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"x.tar:? {told}"):
        _read(path)
    assert tracemalloc.get_traced_memory()[1] < LARGEST + (1 << 24)
    tracemalloc.stop()


def test_a_picture_of_too_many_bytes_is_named(tmp_path):
    from zsl.data.table import load_data

    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, size in (("a/1.jpg", LARGEST + 1), ("a/1.json", 0)):
            info = tarfile.TarInfo(name)
            info.size = size
            with (tmp_path / "sparse").open("wb") as file:
                file.truncate(size)
            with (tmp_path / "sparse").open("rb") as file:
                tar.addfile(info, file)
    with pytest.raises(InputError, match=r"x.tar: a/1.jpg has 67,108,865 bytes; at most 67,108,864 are read"):
        load_data(name="webdataset", root=tmp_path, train="x.tar")


def test_a_shard_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / "x.tar"
    write_shard(path, FILES)
    with pytest.raises(EOFError, match="x.tar ends within it; it has changed since it was opened"):
        Shards((path,)).read(np.array([0, path.stat().st_size - 2, 5]))
