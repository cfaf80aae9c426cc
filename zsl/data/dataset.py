"""What every dataset is to the rest: inputs with their targets, in a training and a test part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from embeddings import InputError
from zsl.data.targets import Targets

Rows = Sequence[int] | np.ndarray
Augmentation = Callable[[Tensor], Tensor]


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

    def __len__(self) -> int:
        return len(self.files)

    @property
    def paths(self) -> Iterator[Path]:
        return (self.folder / file for file in self.files)

    def read(self, rows: Rows) -> Tensor:
        return torch.stack([self._decode(self.folder / self.files[row]) for row in rows])

    def _decode(self, path: Path) -> Tensor:
        try:
            with Image.open(path) as image:
                ImageOps.exif_transpose(image, in_place=True)
                resized = _as_rgb(image).resize((self.size, self.size), Image.Resampling.BILINEAR)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = str(error).replace(str(path), "the file")
            raise InputError(
                f"image {path} does not decode ({reason}); replace it, or list such images by "
                "zsl data check --bad FILE and set data.exclude=FILE"
            ) from error
        return v2.functional.pil_to_tensor(resized)


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
        missing: image files that the data names and that are not there.
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
    missing: tuple[Path, ...] = ()
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
            inputs = torch.stack([self.augment(image) for image in inputs])
        return inputs, torch.from_numpy(self.part.targets[rows].dense())


def _whole(batch: Any) -> Any:
    return batch  # __getitems__ has made it a batch already


def batches_of(samples: Samples, batch_size: int, shuffle: bool = False, workers: int = 0) -> DataLoader[Batch]:
    """A loader of whole batches; pass each through `opened`."""
    return DataLoader(samples, batch_size, shuffle=shuffle, num_workers=workers, collate_fn=_whole)


def opened(batch: Batch | InputError) -> Batch:
    """The batch, or the error that reading it met.

    Raises:
        InputError: an input that cannot be read.
    """
    if isinstance(batch, InputError):
        raise batch
    return batch
