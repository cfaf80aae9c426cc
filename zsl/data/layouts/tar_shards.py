"""WebDataset shards: tar files in which the files of a sample share their name up to its first dot.

The `webdataset` library says which files are a sample. Tar files are read by Python's `tarfile` instead: it tells where
each file begins, so pictures of a plain tar file are read in any order; sizes are checked before anything is read; and
nothing is decoded but JSON and pictures. The library reads in order and in whole, and its decoders unpickle.
"""

import gzip
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of
from zsl.data.pictures import LARGEST, PictureStore, file_stamp

NOTE = re.compile(r"__[^/]*__($|/)")  # files about the shard itself, which the library passes over too
BLOCK = 512
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Member:
    """A file inside a shard: its path there, where its bytes begin, how many they are, and they themselves if asked."""

    name: str
    offset: int
    size: int
    content: bytes | None


@dataclass(frozen=True)
class Sample:
    """The files of a sample, by what follows the first dot of their names, in lower case."""

    key: str
    members: Mapping[str, Member]


@dataclass(frozen=True)
class Shards(PictureStore):
    """Pictures in plain tar files; a place is (shard, offset, size)."""

    paths: tuple[Path, ...]

    def read(self, place: Int64[np.ndarray, " axis"]) -> bytes:
        shard, offset, size = place.tolist()
        with self.paths[shard].open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) < size:
            raise EOFError(f"{self.paths[shard]} ends within it; it has changed since it was opened")
        return content

    def stamp(self, place: Int64[np.ndarray, " axis"]) -> str:
        return file_stamp(self.paths[int(place[0])])


def is_compressed(shard: Path) -> bool:
    """Whether a shard is compressed by gzip; its files can only be read in order then."""
    with shard.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def read_samples(shard: Path, wanted: Callable[[str], bool]) -> Iterator[Sample]:
    """The samples of a shard, in order.

    Args:
        shard: a tar file, plain or compressed by gzip.
        wanted: of which files the content is read, by their names.
    Returns:
        samples; files without a dot in their names belong to none.
    Raises:
        InputError: the file is damaged or cut off, holds a file twice, or a wanted one of more than `LARGEST` bytes.
    """
    from webdataset.tariterators import group_by_keys

    def files() -> Iterator[dict[str, Any]]:
        for member in _members(shard, wanted):
            yield {"fname": member.name, "data": member, "__url__": str(shard)}

    try:
        for found in group_by_keys(files()):
            members = {suffix: member for suffix, member in found.items() if not suffix.startswith("__")}
            yield Sample(found["__key__"], members)
    except InputError:
        raise
    except Exception as error:  # tarfile and gzip raise many kinds of errors on a damaged file
        told = f"{shard} is no whole tar file ({reason_of(error)}); fetch it or write it again"
        raise InputError(told) from error


def _members(shard: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    header, names = _bounded_header(), set[str]()
    with ExitStack() as stack:
        file: Any = stack.enter_context(shard.open("rb"))
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if packed:
            file = stack.enter_context(gzip.open(file))
        tar = stack.enter_context(tarfile.open(fileobj=file, mode="r|" if packed else "r:", tarinfo=header))
        for info in tar:
            tar.members = []  # type: ignore[attr-defined] # it would keep every header in memory
            name = info.name.removeprefix("./")
            if not info.isreg() or NOTE.match(name):
                continue
            if name in names:
                raise InputError(f"{shard} holds {name} twice; remove one")
            names.add(name)
            content = _content(tar, info, shard) if wanted(name) else None
            yield Member(name, info.offset_data, info.size, content)
        if header.last != bytes(BLOCK):
            raise EOFError("it ends without the mark of a tar file's end, or a header is damaged")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo, shard: Path) -> bytes:
    if info.size > LARGEST or info.issparse():
        told = f"{info.size:,} bytes; at most {LARGEST:,} are read" if info.size > LARGEST else "holes"
        raise InputError(f"{shard}: {info.name} has {told}")
    file = tar.extractfile(info)
    return b"" if file is None else file.read()


def _bounded_header() -> type[Any]:
    """A class of headers that remembers the last one: `tarfile` takes a damaged header for the end of the file.

    A header may announce another one of any size, such as a long name, which `tarfile` reads as a whole.
    """

    class Header(tarfile.TarInfo):
        last = b""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Header":
            cls.last = bytes(buf)
            found = super().frombuf(buf, encoding, errors)
            if found.size > LARGEST and not found.isreg():
                raise tarfile.HeaderError(f"a header of {found.size:,} bytes")
            return found

    return Header
