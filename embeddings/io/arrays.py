"""Reads array files, `.npy` and `.npz`; the declared size is checked before memory is allocated.

Nothing else in the packages opens such files. Nothing is unpickled.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from tokenize import TokenError
from typing import IO, Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo, is_zipfile

import numpy as np
from numpy.lib import format as npy

from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of

KINDS = "biufcSU"  # numbers and text; other kinds are pointers or have several fields
ENCRYPTED = 1  # the bit of a zip member's flags
ROOM = 1 << 27  # a compressed archive may always unpack to this many bytes: 128 MB
BLOCK = 1 << 24
RATIO = 4  # a larger archive may unpack to this many times its size; matrices of scores shrink by less


def read_array(path: Path, what: str, mode: Literal["r", "c"] = "r") -> np.ndarray:
    """The array of a `.npy` file, mapped into memory.

    Args:
        path: the file.
        what: what it should hold, for messages.
        mode: "r" maps it read-only; "c" allows changes, which stay in memory.
    Returns:
        the array, of any shape.
    Raises:
        InputError: no such file, a damaged header, an array of objects, a size that differs from the header's.
    """
    with _faults(path, what), path.open("rb") as file:
        shape, columns, dtype = _head(file)
        declared = file.tell() + math.prod(shape) * dtype.itemsize
        if path.stat().st_size != declared:
            raise ValueError(f"its header declares {declared:,} bytes, but it has {path.stat().st_size:,}")
        if not math.prod(shape) * dtype.itemsize:  # nothing to map
            return np.empty(shape, dtype)
        return _of_letters(np.memmap(file, dtype, mode, file.tell(), shape, "F" if columns else "C"))


def read_arrays(path: Path, what: str, room: int = ROOM) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file by name, in memory.

    Args:
        path: the file.
        what: what it should hold, for messages.
        room: bytes that all arrays together may take; `RATIO` times the file's size is allowed if that is more.
    Returns:
        each array under its name, without the suffix.
    Raises:
        InputError: no such file, no zip archive, arrays that take more memory than is allowed; or a member that is
            encrypted, damaged, not an array, or in the archive twice.
    """
    with _faults(path, what), ZipFile(path) as archive:
        members = archive.infolist()
        name, often = Counter(m.filename for m in members).most_common(1)[0] if members else ("", 0)
        if often > 1:
            raise ValueError(f"it contains {name!r} {often} times")
        for member in members:
            _check_member(member)
        total, size = sum(m.file_size for m in members), path.stat().st_size
        if total > max(room, RATIO * size):
            raise ValueError(f"{size:,} bytes unpack to {total:,}; if that is right, save without compression")
        return {m.filename.removesuffix(".npy"): _read_member(archive, m) for m in members}


def check_stored(path: Path) -> None:
    """Checks that a file of torch, if it is a zip archive, is not compressed; torch never compresses.

    Raises:
        ValueError: the members unpack to more bytes than the file has.
        zipfile.BadZipFile: it looks like an archive, but is not one.
    """
    if is_zipfile(path):
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"its members are compressed and unpack to {unpacked:,} bytes; torch never compresses")


def _check_member(member: ZipInfo) -> None:
    if not member.filename.endswith(".npy"):
        raise ValueError(f"{member.filename!r} is not a .npy array")
    if member.flag_bits & ENCRYPTED:
        raise ValueError(f"{member.filename!r} is encrypted")
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"{member.filename!r} is compressed by method {member.compress_type}, which numpy never uses")


def _read_member(archive: ZipFile, member: ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        shape, columns, dtype = _head(file)
        size = math.prod(shape) * dtype.itemsize
        if member.file_size != file.tell() + size:
            raise ValueError(f"{member.filename!r} declares {size:,} bytes of numbers, but it is {member.file_size:,}")
        content = np.empty(size, np.uint8)
        for start in range(0, size, BLOCK):  # a read without a size unpacks more than the member declares
            block = file.read(min(BLOCK, size - start))
            content[start : start + len(block)] = np.frombuffer(block, np.uint8)
            if start + len(block) < min(size, start + BLOCK):
                raise ValueError(f"{member.filename!r} ends early")
    if not size:
        return np.empty(shape, dtype)
    return _of_letters(content.view(dtype).reshape(shape, order="F" if columns else "C"))


def _of_letters(array: np.ndarray) -> np.ndarray:
    """The array, after checking its texts: on an invalid code point, numpy and Python fail late and unclearly.

    Raises:
        ValueError: a text has an invalid code point.
    """
    if array.dtype.kind == "U":
        codes = np.ascontiguousarray(array).reshape(-1).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if codes.max() > sys.maxunicode:
            raise ValueError("its texts have invalid Unicode code points")
    return array


def _head(file: IO[bytes] | BufferedIOBase) -> tuple[tuple[int, ...], bool, np.dtype]:
    """An array's shape, whether it is stored column by column, and its type."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:  # 3.0 is only needed for names of fields, which are refused
        raise ValueError(f"a header of version {version[0]}.{version[1]}")
    try:
        shape, columns, dtype = readers[version](file)
    except (MemoryError, TokenError) as error:  # raised by Python's parser
        raise ValueError("its header is cut, or nested too deeply") from error
    if dtype.kind not in KINDS:
        raise ValueError(f"it holds {'objects' if dtype.hasobject else dtype}; save only numbers or text")
    if any(length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, columns, dtype


@contextmanager
def _faults(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"no file of {what} {path}") from error
    except Exception as error:  # numpy's and zipfile's readers raise many kinds on a damaged file
        raise InputError(f"{path} cannot be read as {what} ({reason_of(error)}); save it again") from error
