"""Datasets: inputs with their targets, in a training and a test part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from embeddings.io.errors import InputError
from zsl.config import Config
from zsl.data.squares import Square
from zsl.data.targets import Targets

if TYPE_CHECKING:  # a dataset's config is read without torch
    import torch

Rows = Sequence[int] | np.ndarray
Augmentation = Callable[["torch.Tensor"], "torch.Tensor"]


@runtime_checkable
class Inputs(Protocol):
    """Images (batch, 3, height, width) uint8, or tokens (batch, token, channel), by row."""

    def __len__(self) -> int: ...

    def read(self, rows: Rows) -> "torch.Tensor": ...

    def name(self, row: int) -> str: ...


def read_finite(inputs: Inputs, rows: Rows, views: np.ndarray | None = None) -> "torch.Tensor":
    """The inputs of some rows, after checking that every number is finite.

    Args:
        inputs: images or tokens.
        rows: (batch,) the rows to read.
        views: (batch,) which view to read of each row; None for inputs with one view.
    Returns:
        (batch, ...), same as `inputs.read`.
    Raises:
        InputError: an input that cannot be read, or that holds NaN or infinity; it names the image.
    """
    read = inputs.read(rows) if views is None else inputs.read(rows, views)  # type: ignore[call-arg]
    spoilt = not_finite(read)
    if spoilt is not None:
        raise InputError(f"features of {inputs.name(int(rows[spoilt]))} hold NaN or infinity; make or fetch them again")
    return read


def not_finite(values: "torch.Tensor") -> int | None:
    """The first row that holds NaN or infinity; None if there is none."""
    import torch

    if not values.is_floating_point() or not values.numel():
        return None
    # minimum and maximum pass NaN on; they cost as much as a copy, a test of each number many times that
    if all(torch.isfinite(end) for end in values.aminmax()):
        return None
    return int((~torch.isfinite(values)).flatten(1).any(1).nonzero()[0])


@dataclass(frozen=True)
class Tensors:
    """Inputs in memory: drawn images, or tokens; tokens of other inputs keep the names of those."""

    values: "torch.Tensor"
    source: Inputs | None = None

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Rows) -> "torch.Tensor":
        import torch

        return self.values[torch.as_tensor(rows)]

    def name(self, row: int) -> str:
        return f"image {row}" if self.source is None else self.source.name(row)


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
        train: targets over `seen`; every image shows at least one of them.
        test: targets over `seen + unseen`.
        kind: what `read` gives: "images" (uint8) or "tokens".
        renamed: other lists of names for the same unseen labels, by title ("synonyms").
        fingerprint: identifies the content.
        notes: what a user should know about how the data was read, such as images that were left out.
        leaked: number of training annotations that name unseen labels; they are not in the targets.
        missing: paths of image files that the data names but that do not exist.
        config: the config that it was loaded from; None for data made in Python.
        in_order: whether inputs can only be read in order; `zsl data extract` does so.
        made_with: of tokens, what `zsl data extract` made them with: backbone, transform, "dtype"; else {}.
        expected: the protocol's known numbers of "training images", "test images", "seen labels" and "unseen labels".
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
    config: Config | None = None
    in_order: bool = False
    made_with: Mapping[str, Any] = field(default_factory=dict)

    def read_as(self, square: Square) -> "MultiLabelData":
        """The same data, with another way to turn pictures into squares; data without pictures is unchanged."""
        return replace(self, train=_read_as(self.train, square), test=_read_as(self.test, square))

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


def _read_as(part: Part, square: Square) -> Part:
    inputs: Any = part.inputs
    return replace(part, inputs=replace(inputs, square=square)) if hasattr(inputs, "square") else part
