"""What every dataset is to the rest: inputs with their targets, in a training and a test part."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from embeddings import InputError
from zsl.data.targets import Targets

Rows = Sequence[int] | np.ndarray
Augmentation = Callable[[Tensor], Tensor]
AHEAD = 2  # batches that a worker process reads before they are asked for
GOOD_FOR = 3  # batches that may be taken while an older one is in use


@runtime_checkable
class Inputs(Protocol):
    """Images (batch, 3, height, width) uint8, or tokens (batch, token, channel), by row."""

    def __len__(self) -> int: ...

    def read(self, rows: Rows) -> Tensor: ...


@dataclass(frozen=True)
class Tensors:
    """Inputs in memory: tokens, or drawn images."""

    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Rows) -> Tensor:
        return self.values[torch.as_tensor(rows)]


@dataclass(frozen=True)
class ImageFiles:
    """Image files below a folder, decoded as RGB and resized to a square of `size` pixels, as the reference code does.

    They are turned as EXIF says; of an animation the first picture is taken.
    """

    folder: Path
    files: Sequence[str]
    size: int
    _buffers: "Buffers" = field(default_factory=lambda: Buffers(), compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def paths(self) -> Iterator[Path]:
        return (self.folder / file for file in self.files)

    def read(self, rows: Rows) -> Tensor:
        """(batch, 3, size, size) uint8, channels last in memory; see `batches_of` for how long it is good."""
        batch = self._buffers.next((len(rows), self.size, self.size, 3))
        pixels = batch.numpy()
        for place, row in enumerate(rows):
            pixels[place] = self._decode(self.folder / self.files[row])
        return batch.permute(0, 3, 1, 2)

    def _decode(self, path: Path) -> np.ndarray:
        try:
            with Image.open(path) as image:
                ImageOps.exif_transpose(image, in_place=True)
                return np.asarray(_as_rgb(image).resize((self.size, self.size), Image.Resampling.BILINEAR))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = str(error).replace(str(path), "the file")
            raise InputError(
                f"image {path} does not decode ({reason}); replace it, or list such images by "
                "zsl data check --bad FILE and set data.exclude=FILE"
            ) from error


class Buffers:
    """Memory for batches: in a loader's worker process, a few shared pieces that are used in turn.

    The system hands out fresh shared memory page by page, which costs as much as a seventh of decoding a small image.
    """

    def __init__(self) -> None:
        self.pieces: list[Tensor] = []
        self.turn = 0

    def next(self, shape: tuple[int, ...]) -> Tensor:
        """uint8 of the shape; what it holds is undefined."""
        if get_worker_info() is None:
            return torch.empty(shape, dtype=torch.uint8)
        size = math.prod(shape)
        self.turn = (self.turn + 1) % (AHEAD + GOOD_FOR + 1)
        if self.turn >= len(self.pieces):
            self.pieces += [torch.empty(0, dtype=torch.uint8)] * (self.turn + 1 - len(self.pieces))
        if len(self.pieces[self.turn]) < size:
            self.pieces[self.turn] = torch.empty(size, dtype=torch.uint8).share_memory_()
        return self.pieces[self.turn][:size].view(shape)


def _as_rgb(image: Image.Image) -> Image.Image:
    """RGB of 8 bits a channel; 16-bit grey is scaled, where Pillow's own conversion would clip it to white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of 32 bits, mode {image.mode}; convert it to 8 bits")
    return image.convert("RGB")


@dataclass(frozen=True)
class Part:
    """Inputs and their targets, (image, label)."""

    inputs: Inputs
    targets: Targets


@dataclass(frozen=True)
class MultiLabelData:
    """A zero-shot multi-label dataset.

    Args:
        name: for tables.
        seen, unseen: label names; a closed set has no unseen ones.
        train: targets over `seen`; every image shows one at least.
        test: targets over `seen + unseen`.
        kind: what `read` gives: "images" (uint8), "tokens", or "records", which are tokens to be read in order alone.
        renamed: further name lists of the same unseen labels, by title ("synonyms").
        fingerprint: identifies the content.
        notes: what a user should know of the reading, such as images left out.
        leaked: training annotations that name unseen labels; they are not in the targets.
        missing: paths of image files that the data names and that are not there.
        expected: the protocol's known figures: "training images", "test images", "seen labels", "unseen labels".
    """

    name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    train: Part
    test: Part
    kind: str
    fingerprint: str
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    leaked: int = 0
    missing: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)

    def tag_lists(self) -> Iterator[list[str]]:
        """The seen labels of each training image."""
        matrix = self.train.targets.matrix
        for start, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
            shown = np.sort(matrix.indices[start:end][matrix.data[start:end] > 0])
            yield [self.seen[column] for column in shown]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that needs a vector, once."""
        every = self.seen + self.unseen + tuple(n for names in self.renamed.values() for n in names)
        return tuple(dict.fromkeys(every))


Batch = tuple[Tensor, Tensor]


class Samples(Dataset[Batch]):
    """Rows of a `Part`, read a batch at a time, some transforms applied to each image."""

    def __init__(self, part: Part, rows: np.ndarray | None = None, augment: Augmentation | None = None):
        self.part = part
        self.rows = np.arange(len(part.targets)) if rows is None else rows
        self.augment = augment

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Targets:
        """The targets of these rows, in order."""
        return self.part.targets[self.rows]

    def __getitems__(self, indices: list[int]) -> Batch | InputError:
        rows = self.rows[indices]
        try:
            inputs = self.part.inputs.read(rows)
        except InputError as error:
            return error  # raised in a loader's worker process, it would reach the user as a stack trace
        if self.augment is not None:
            for image in inputs:
                image.copy_(self.augment(image))
        return inputs, torch.from_numpy(self.part.targets[rows].dense())


def _whole(batch: Any) -> Any:
    return batch  # __getitems__ has made it a batch already


def batches_of(samples: Samples, batch_size: int, shuffle: bool = False, workers: int = 0) -> DataLoader[Batch]:
    """A loader of whole batches; pass each through `opened`.

    Where worker processes read image files, a batch is good until three more have been taken: its memory is used again.
    """
    ahead = AHEAD if workers else None
    return DataLoader(
        samples,
        batch_size,
        shuffle=shuffle,
        num_workers=workers,
        collate_fn=_whole,
        prefetch_factor=ahead,
        persistent_workers=workers > 0,
    )


def opened(batch: Batch | InputError) -> Batch:
    """The batch, or the error that reading it met.

    Raises:
        InputError: an input that cannot be read.
    """
    if isinstance(batch, InputError):
        raise batch
    return batch
