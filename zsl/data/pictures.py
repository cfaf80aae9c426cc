"""Pictures of a dataset, from files of their own or from larger files, as squares of pixels."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Int64

from zsl.data.buffers import Buffers
from zsl.data.decoding import LISTED, decode, undecoded
from zsl.data.in_order import InOrder
from zsl.data.squares import Square

if TYPE_CHECKING:  # a dataset's config is read without torch
    import torch

LARGEST = 1 << 26  # bytes of a picture inside a larger file
Rows = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Pictures(ABC):
    """Pictures, decoded as RGB and made squares.

    EXIF orientation is applied; of an animation the first frame is read.

    Args:
        folder: of the files.
        files: each picture's path below the folder; what follows its last `/` is the picture's own name.
        square: how a picture becomes a square.
    """

    folder: Path
    files: Sequence[str]
    square: Square
    _buffers: Buffers = field(default_factory=Buffers, compare=False, repr=False, kw_only=True)

    in_order: ClassVar[bool] = False  # an earlier picture is read from the start of the stream again

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: Rows) -> "torch.Tensor":
        """(batch, 3, size, size) uint8, channels last in memory; `Buffers` says how long it stays valid."""
        size = self.square.size
        batch = self._buffers.next((len(rows), size, size, 3))
        pixels = batch.numpy()
        for place, row in enumerate(rows):
            pixels[place] = decode(self.source(int(row)), self.square, name=self.name(int(row)))
        return batch.permute(0, 3, 1, 2)

    def name(self, row: int) -> str:
        return str(self.folder / self.files[row])

    @abstractmethod
    def source(self, row: int) -> Path | BytesIO:
        """Where a picture's bytes are.

        Raises:
            InputError: they cannot be read.
        """

    @abstractmethod
    def stamp(self, row: int) -> str | None:
        """A text that changes when the file of a picture changes; None if there is none."""

    @abstractmethod
    def only(self, rows: Rows) -> "Pictures":
        """The pictures of some rows."""

    def _files(self, rows: Rows) -> list[str]:
        return [self.files[row] for row in rows]


@dataclass(frozen=True)
class ImageFiles(Pictures):
    """Image files below a folder."""

    @property
    def paths(self) -> Iterator[Path]:
        return (self.folder / file for file in self.files)

    def source(self, row: int) -> Path:
        return self.folder / self.files[row]

    def stamp(self, row: int) -> str:
        return file_stamp(self.source(row))

    def only(self, rows: Rows) -> "Pictures":
        return replace(self, files=self._files(rows))


class PictureStore(ABC):
    """Where pictures are inside larger files."""

    @abstractmethod
    def read(self, place: Int64[np.ndarray, " axis"]) -> bytes:
        """A picture's bytes; any error says why they cannot be read."""

    @abstractmethod
    def stamp(self, place: Int64[np.ndarray, " axis"]) -> str:
        """A text that changes when the file of a picture changes."""


@dataclass(frozen=True)
class StoredPictures(Pictures):
    """Pictures inside larger files, read in any order.

    Args:
        store: reads a picture.
        places: where the store has each picture.
    """

    store: PictureStore
    places: Int64[np.ndarray, "image axis"]

    def source(self, row: int) -> BytesIO:
        try:
            return BytesIO(checked(self.store.read(self.places[row])))
        except MemoryError:
            raise
        except Exception as error:  # a store may raise many kinds of errors on a damaged file
            raise undecoded(self.name(row), error, LISTED) from error

    def stamp(self, row: int) -> str:
        return self.store.stamp(self.places[row])

    def only(self, rows: Rows) -> "Pictures":
        return replace(self, files=self._files(rows), places=self.places[np.asarray(rows, np.int64)])


@dataclass(frozen=True)
class StreamedPictures(Pictures):
    """Pictures inside larger files, read in the order of the files.

    Args:
        stream: the bytes of every picture.
        places: the place of each row in the stream.
    """

    in_order: ClassVar[bool] = True

    stream: InOrder[bytes]
    places: Int64[np.ndarray, " image"]

    def source(self, row: int) -> BytesIO:
        content = self.stream.at(int(self.places[row]))
        try:
            return BytesIO(checked(content))
        except ValueError as error:
            raise undecoded(self.name(row), error, LISTED) from error

    def stamp(self, row: int) -> None:
        return None

    def only(self, rows: Rows) -> "Pictures":
        return replace(self, files=self._files(rows), places=self.places[np.asarray(rows, np.int64)])


def checked(content: bytes) -> bytes:
    """A picture's bytes.

    Raises:
        ValueError: there are none, or more than `LARGEST`.
    """
    if not content or len(content) > LARGEST:
        raise ValueError(f"{len(content):,} bytes; 1 to {LARGEST:,} are read")
    return content


def file_stamp(path: Path) -> str:
    """A text that changes when a file changes."""
    found = path.stat() if path.is_file() else None
    return "missing" if found is None else f"{found.st_size} {found.st_mtime_ns}"
