"""Array files: what numpy writes is read back; what declares more than it holds takes no memory."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from embeddings.io.arrays import read_array, read_arrays
from embeddings.io.errors import InputError

ARRAYS = {
    "rows": np.arange(35, dtype=np.float32).reshape(5, 7),
    "columns": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    "names": np.array(["sky", "été"]),
    "number": np.array(3),
    "none": np.empty((0, 3), np.int8),
}


def _npy(header: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header.encode() + content


def _head(shape: object, descr: str = "'<f4'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n"


def _saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(tmp_path: Path, name: str, mode) -> None:
    np.save(tmp_path / "x.npy", ARRAYS[name])
    found = read_array(tmp_path / "x.npy", "scores", mode)
    np.testing.assert_array_equal(found, ARRAYS[name])
    assert found.dtype == ARRAYS[name].dtype


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_come_back(tmp_path: Path, save) -> None:
    save(tmp_path / "x.npz", **ARRAYS)
    found = read_arrays(tmp_path / "x.npz", "scores")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "EOF"),
        (b"no array", "magic string"),
        (b"\x93NUMPY\1\0", "EOF"),
        (_saved(ARRAYS["rows"])[:-1], "its header declares 268 bytes, but it has 267"),
        (_saved(ARRAYS["rows"]) + b"\0", "its header declares 268 bytes, but it has 269"),
        (_npy(_head((9_999_999, 8_000_000))), "its header declares 319,999,968,000,0.. bytes"),
        (_npy(_head((2**40, 2**40))), "declares 4,835,703,278,458,516,698,824,7.. bytes"),
        (_npy(_head((-3, 5))), "its shape is"),
        (_npy(_head("(" + "9" * 5000 + ",)")), "Cannot parse header"),
        (_npy("-" * 9_000), "its header is cut, or nested too deeply"),
        (_npy("[" * 9_000), "its header is cut, or nested too deeply"),
        (_npy(_head((3,), "'|O'"), b"\x80\4."), "it holds objects; save only numbers or text"),
        (_npy(_head((3,), "[('a', '<f4')]"), bytes(12)), "save only numbers or text"),
        (_npy(_head((3,)), bytes(12), b"\3\0"), "a header of version 3.0"),
        (_npy(_head((3,), "'<M8[s]'"), bytes(24)), "it holds datetime64"),
    ],
)
def test_damaged_arrays(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"x.npy cannot be read as scores \(.*{told}.*\); save it again$"):
        read_array(path, "scores")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("scores.npy", content)
    with pytest.raises(InputError, match=r"x.npz cannot be read as scores \(.+\); save it again$"):
        read_arrays(tmp_path / "x.npz", "scores")


def _archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def _lying(size: int, content: bytes) -> bytes:
    """An archive whose only member says that it unpacks to `size` bytes."""
    packed = bytearray(_archive(("scores.npy", content)))
    directory = packed.index(b"PK\1\2")
    for place in (22, directory + 24):
        packed[place : place + 4] = size.to_bytes(4, "little")
    return bytes(packed)


ROWS = _saved(ARRAYS["rows"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no archive", "not a zip file"),
        (_archive(("scores.npy", ROWS))[:-30], "not a zip file"),
        (_archive(("inner.zip", _archive(("scores.npy", ROWS)))), "'inner.zip' is not a .npy array"),
        (_archive(("scores.npy", ROWS), method=zipfile.ZIP_LZMA), "compressed by method 14, which numpy never uses"),
        (_archive(("scores.npy", ROWS)).replace(b"\x14\0\0\0\x08", b"\x14\0\1\0\x08"), "'scores.npy' is encrypted"),
        (_archive(("scores.npy", ROWS), method=zipfile.ZIP_STORED).replace(b"\x80\x3f", b"\x80\x40"), "Bad CRC-32"),
        (_lying(1 << 28, ROWS), "unpack to 268,435,456; if that is right, save without compression"),
        (_lying(len(ROWS) + 4, ROWS), "declares 140 bytes of numbers, but it is 272"),
        (_lying(len(ROWS), _npy(_head((35,))) + bytes(1 << 20)), "Bad CRC-32|declares 140 bytes of numbers"),
    ],
)
def test_damaged_archives(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"x.npz cannot be read as scores \(.*{told}.*\); save it again$"):
        read_arrays(path, "scores")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(_archive(("scores.npy", ROWS), ("scores.npy", ROWS)))
    with pytest.raises(InputError, match="contains 'scores.npy' 2 times"):
        read_arrays(path, "scores")


def test_room_that_the_caller_gives(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", scores=np.zeros((1000, 50)), targets=np.zeros((1000, 50)))
    with pytest.raises(InputError, match="unpack to 800,"):  # together
        read_arrays(tmp_path / "x.npz", "scores", room=500_000)
    assert read_arrays(tmp_path / "x.npz", "scores", room=1_000_000)["scores"].shape == (1000, 50)


def test_missing(tmp_path: Path) -> None:
    for read in (read_array, read_arrays):
        with pytest.raises(InputError, match="no file of scores .*none"):
            read(tmp_path / "none", "scores")
        with pytest.raises(InputError, match="no file of scores"):
            read(tmp_path, "scores")
        with pytest.raises(InputError, match="null byte"):
            read(tmp_path / "a\0b", "scores")


@pytest.mark.parametrize("order", ["<", ">"])
def test_invalid_code_points_are_refused(tmp_path, order):
    names = np.array(["sky", "Meer"], f"{order}U4")
    np.save(tmp_path / "names.npy", names)
    np.testing.assert_array_equal(read_array(tmp_path / "names.npy", "names"), names)
    names.view(f"{order}u4")[3] = 0x110000
    np.save(tmp_path / "names.npy", names)
    np.savez(tmp_path / "names.npz", names=names)
    for read, file in ((read_array, "names.npy"), (read_arrays, "names.npz")):
        with pytest.raises(InputError, match=f"{file} cannot be read as names .its texts have invalid Unicode"):
            read(tmp_path / file, "names")
