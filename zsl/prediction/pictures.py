"""Pictures to predict on: files, Pillow images, arrays and tensors, read batch by batch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from embeddings.io.errors import InputError
from zsl.data.buffers import AHEAD, Buffers
from zsl.data.decoding import as_rgb, decode, open_picture, undecoded
from zsl.data.squares import Square

if TYPE_CHECKING:
    import PIL.Image

Picture = Any  # a path, a Pillow image, an array or a tensor
Read = tuple[list[int], Tensor | None, dict[int, str]]
REMEDY = "replace it, or leave it out"
GIVE = "a path, a Pillow image, an array or a tensor"


class Pictures(Dataset[Read]):
    """Pictures in order, read a batch at a time; a picture that cannot be read does not stop the others.

    Args:
        given: one picture or several. A picture is a path; a Pillow image; an array (row, column, 3) or (row, column)
            of uint8; or a tensor (3, row, column) or (row, column) of uint8. An array (image, row, column, 3) or a
            tensor (image, 3, row, column) is several.
        square: how a picture becomes the square that the backbone reads.
        start: number of pictures at the beginning that are left out.
    Raises:
        InputError: no picture, or something that is none.
    """

    def __init__(self, given: Picture | Sequence[Picture], square: Square, start: int = 0):
        self.items = listed(given)
        self.square, self.start = square, start
        self._buffers = Buffers()

    def __len__(self) -> int:
        return len(self.items) - self.start

    def name(self, place: int) -> str:
        """A picture's path, or its number if it has none."""
        item = self.items[place]
        return str(item) if isinstance(item, str | Path) else f"picture {place}"

    def whole(self, place: int) -> "PIL.Image.Image":
        """The whole picture, upright and in RGB.

        Raises:
            InputError: it cannot be read.
        """
        item = self.items[place]
        try:
            return open_picture(Path(item)) if isinstance(item, str | Path) else as_rgb(_image_of(item))
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise many kinds of errors on a damaged file
            named = str(item) if isinstance(item, str | Path) else f"number {place}"
            raise undecoded(named, error, REMEDY) from error

    def __getitems__(self, places: list[int]) -> Read:
        """The places of the pictures that could be read, their pixels (batch, 3, size, size), and faults by place."""
        places = [place + self.start for place in places]
        size = self.square.size
        batch = self._buffers.next((len(places), size, size, 3))
        pixels = batch.numpy()
        good: list[int] = []
        faults: dict[int, str] = {}
        for place in places:
            try:
                pixels[len(good)] = self._pixels(place)
                good.append(place)
            except InputError as error:
                faults[place] = str(error)
        return good, batch[: len(good)].permute(0, 3, 1, 2) if good else None, faults

    def _pixels(self, place: int) -> np.ndarray:
        item = self.items[place]
        if isinstance(item, str | Path):
            return decode(Path(item), self.square, REMEDY)
        return np.asarray(self.square.of(self.whole(place)))

    def batches(self, size: int, workers: int = 0) -> Iterator[Read]:
        """Batches of all pictures, in order.

        Args:
            size: pictures per batch.
            workers: processes that read; 0 reads in this process.
        """
        starts = range(0, len(self), size)
        order = [list(range(start, min(start + size, len(self)))) for start in starts]
        return iter(
            DataLoader(
                self,
                batch_sampler=order,
                num_workers=workers,
                collate_fn=_whole,
                prefetch_factor=AHEAD if workers else None,
            )
        )


def _whole(batch: Any) -> Any:
    return batch  # __getitems__ has made it a batch already


def listed(given: Picture | Sequence[Picture]) -> Sequence[Picture]:
    """The pictures one by one.

    Raises:
        InputError: no picture, or something that is none.
    """
    if isinstance(given, np.ndarray | Tensor) and given.ndim == 4:
        given = list(given)
    if isinstance(given, str | Path | np.ndarray | Tensor) or hasattr(given, "convert"):
        given = [given]
    if not isinstance(given, Sequence):
        raise InputError(f"pictures of type {type(given).__name__}; give {GIVE}, or a list of them")
    if not given:
        raise InputError(f"there is no picture; give {GIVE}")
    for place, item in enumerate(given):
        if not isinstance(item, str | Path):
            _check(item, place)
    return given


def _check(item: Picture, place: int) -> None:
    if hasattr(item, "convert"):
        if 0 in item.size:
            raise InputError(f"picture {place} has no pixels; {REMEDY}")
        return
    if not isinstance(item, np.ndarray | Tensor):
        raise InputError(f"picture {place} is of type {type(item).__name__}; give {GIVE}")
    shape, colours = tuple(item.shape), 0 if isinstance(item, Tensor) else -1
    if item.dtype not in (np.uint8, torch.uint8):
        raise InputError(f"picture {place} has values of type {item.dtype}; give uint8, from 0 to 255")
    if not (item.ndim == 2 or (item.ndim == 3 and shape[colours] == 3)) or 0 in shape:
        form = "(3, row, column)" if isinstance(item, Tensor) else "(row, column, 3)"
        raise InputError(f"picture {place} has shape {shape}; give {form}")


def _image_of(item: Picture) -> "PIL.Image.Image":
    from PIL import Image, ImageOps

    if isinstance(item, Tensor):
        item = (item.permute(1, 2, 0) if item.ndim == 3 else item).cpu().numpy()
    if isinstance(item, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(item))
    return ImageOps.exif_transpose(item)  # as for a file
