"""Tokens of a frozen backbone on disk: sharded files that are mapped into memory, with the labels beside them.

A folder holds `manifest.json`, `labels.safetensors`, and for each part shards of a fixed number of images, each a
safetensors file of `tokens` (image, view, token, channel).
"""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt, PositiveInt, StringConstraints
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from embeddings.io.errors import InputError
from embeddings.io.names import composed
from embeddings.io.reading import parse_model, read_model
from zsl.data.dataset import MultiLabelData, Part, Rows
from zsl.data.targets import Targets

FORMAT: Literal["zsl-tokens/2"] = "zsl-tokens/2"
HEAD = 1 << 16  # largest head of a shard, in bytes; those that the toolkit writes have about a hundred
TARGETS = ("values", "indices", "indptr")  # of a sparse (image, label) table
AGAIN = "remove it and run zsl data extract again"
Dtype = Literal["bf16", "fp16"]
DTYPES: dict[Dtype, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Plan:
    """`plan.json`: all that an extraction's files depend on. `made_with`: backbone config, weights' hash, transform."""

    format: Literal["zsl-tokens/2"]
    data: str
    fingerprint: str
    dtype: Dtype
    views: PositiveInt
    rows_per_shard: PositiveInt
    batch_size: PositiveInt
    seed: int
    skip_unreadable: bool
    made_with: dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """A shard: (image, view, token, channel)."""

    file: Annotated[str, StringConstraints(pattern=r"^(train|test)-\d+\.safetensors$")]
    bytes: NonNegativeInt
    sha256: str
    shape: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]


@dataclass(frozen=True)
class StoredPart:
    """A part's shards, and the rows of the images that did not decode, each with the reason."""

    images: PositiveInt
    views: PositiveInt
    unreadable: tuple[NonNegativeInt, ...]
    reasons: tuple[str, ...]
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class StoredParts:
    """Both parts."""

    train: StoredPart
    test: StoredPart


@dataclass(frozen=True)
class Manifest(Plan):
    """`manifest.json`: a finished extraction."""

    parts: StoredParts
    labels_sha256: str


@dataclass(frozen=True)
class StoredNames:
    """What `labels.safetensors` has besides the targets, in JSON; as in `MultiLabelData`."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    renamed: dict[str, tuple[str, ...]]
    partial: bool
    notes: tuple[str, ...]
    leaked: int
    expected: dict[str, int]


@dataclass(frozen=True)
class _Tokens:
    dtype: Literal["BF16", "F16"]
    shape: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


@dataclass(frozen=True)
class _Head:
    """The head of a shard, as safetensors has it."""

    tokens: _Tokens


@dataclass(frozen=True)
class TokenFiles:
    """Inputs in shards of `rows_per_shard` images. Each image may have several views; the first is not augmented."""

    shards: tuple[Path, ...]
    rows_per_shard: int
    rows: np.ndarray
    views: int

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_mapped"}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _mapped(self) -> list[Tensor]:
        return [map_shard(path) for path in self.shards]

    def name(self, row: int) -> str:
        return f"image {self.rows[row]} of {self.shards[0].parent}"

    def read(self, rows: Rows, views: np.ndarray | None = None) -> Tensor:
        """(batch, token, channel) of the rows, in their order; `views` chooses a view of each, by default the first."""
        places = self.rows[np.asarray(rows)]
        shards, within = np.divmod(places, self.rows_per_shard)
        chosen = [0] * len(places) if views is None else views.tolist()
        mapped = self._mapped
        first = mapped[0]
        batch = torch.empty(len(places), *first.shape[2:], dtype=first.dtype)
        for place, (shard, row, view) in enumerate(zip(shards.tolist(), within.tolist(), chosen, strict=True)):
            batch[place] = mapped[shard][row, view]
        return batch


def map_shard(path: Path) -> Tensor:
    """The tokens of a shard, (image, view, token, channel), mapped into memory.

    Raises:
        InputError: it is damaged.
    """
    place, head = _head(path)
    # "c": torch warns about read-only memory; nothing writes to it
    numbers = np.memmap(path, np.int16, "c", place, head.shape)
    return torch.from_numpy(numbers).view({"BF16": torch.bfloat16, "F16": torch.float16}[head.dtype])


def _head(path: Path) -> tuple[int, _Tokens]:
    """Where a shard's tokens begin, and what they are."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        head = parse_model(file.read(min(size, HEAD)), _Head, str(path), AGAIN).tokens
    start, end = head.data_offsets
    if end - start != 2 * math.prod(head.shape) or path.stat().st_size != 8 + size + end:
        raise InputError(f"{path} is damaged (its size is not that of its tokens); {AGAIN}")
    return 8 + size + start, head


def load_tokens(root: Path, full: bool = True) -> MultiLabelData:
    """The dataset in a folder of tokens, without the images that could not be read in extraction.

    Args:
        root: the folder of the extraction.
        full: check the hash of every shard, which reads it once; otherwise check sizes only.
    Returns:
        the dataset, with inputs of kind "tokens".
    Raises:
        InputError: not a finished extraction, a missing or damaged shard.
    """
    manifest = read_manifest(root)
    path = root / "labels.safetensors"
    names, content = _labels(path, manifest.labels_sha256)
    parts, notes = {}, list(names.notes)
    for part, stored, labels in (
        ("train", manifest.parts.train, len(names.seen)),
        ("test", manifest.parts.test, len(names.seen) + len(names.unseen)),
    ):
        files = _token_files(root, manifest, stored, part, full)
        targets = _targets(content, part, (stored.images, labels), names.partial, path)
        parts[part] = Part(files, targets[files.rows])
        if stored.unreadable:
            kind = {"train": "training", "test": "test"}[part]
            notes.append(f"{len(stored.unreadable):,} of {stored.images:,} {kind} images did not decode: left out")
    return MultiLabelData(
        name=manifest.data,
        seen=tuple(map(composed, names.seen)),
        unseen=tuple(map(composed, names.unseen)),
        train=parts["train"],
        test=parts["test"],
        kind="tokens",
        fingerprint=manifest.fingerprint,
        notes=tuple(notes),
        renamed=names.renamed,
        leaked=names.leaked,
        expected=names.expected,
        made_with={**manifest.made_with, "dtype": manifest.dtype},
    )


def _labels(path: Path, sha256: str) -> tuple[StoredNames, dict[str, Tensor]]:
    """The names and the arrays of `labels.safetensors`."""
    if not path.is_file() or hash_of(path) != sha256:
        raise InputError(f"{path} is missing, or is not the file of the extraction; {AGAIN}")
    try:
        content = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} is damaged ({error}); {AGAIN}") from error
    packed = content.get("names", torch.empty(0, dtype=torch.uint8))
    return parse_model(packed.numpy().tobytes(), StoredNames, str(path), AGAIN), content


def _token_files(root: Path, manifest: Manifest, stored: StoredPart, part: str, full: bool) -> TokenFiles:
    """The inputs of a part, after checking that its shards exist and fit together."""
    path, rows = root / "manifest.json", manifest.rows_per_shard
    lengths = [min(rows, stored.images - number * rows) for number in range(len(stored.shards))]
    fits = (
        [shard.shape[0] for shard in stored.shards] == lengths
        and sum(lengths) == stored.images
        and {shard.shape[1:] for shard in stored.shards} == {(stored.views, *stored.shards[0].shape[2:])}
        and max(stored.unreadable, default=0) < stored.images
    )
    if not fits:
        raise InputError(f"{path} is damaged (parts.{part} do not fit its images); run zsl data extract again")
    for shard in stored.shards:
        check_shard(root / shard.file, shard, full)
    kept = np.setdiff1d(np.arange(stored.images), stored.unreadable)
    return TokenFiles(tuple(root / shard.file for shard in stored.shards), rows, kept, stored.views)


def _targets(content: dict[str, Tensor], part: str, shape: tuple[int, int], partial: bool, path: Path) -> Targets:
    try:
        values, indices, indptr = (content[f"targets.{part}.{name}"].numpy() for name in TARGETS)
        return Targets.of_arrays(values, indices, indptr, shape, partial)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} does not fit its manifest ({error}); {AGAIN}") from error


def read_manifest(root: Path) -> Manifest:
    """The manifest of a finished extraction.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = root / "manifest.json"
    if not path.is_file():
        raise InputError(f"{root} holds no finished extraction; run zsl data extract with --out {root}")
    return read_model(path, Manifest, AGAIN)


def check_shard(path: Path, told: Shard, full: bool) -> None:
    """Checks that a shard is the one that the manifest describes.

    Args:
        path: the shard.
        told: what the manifest says about it.
        full: check the hash too, which reads the file.
    Raises:
        InputError: the shard is missing, or has another size, shape or (if `full`) hash.
    """
    if not path.is_file() or path.stat().st_size != told.bytes or (full and hash_of(path) != told.sha256):
        state = "missing" if not path.is_file() else "damaged"
        raise InputError(f"{path} is {state}; remove it and run zsl data extract again with the same --out")
    _, head = _head(path)
    if head.shape != told.shape:
        raise InputError(f"{path} is damaged (it holds {head.shape}, the manifest has {told.shape}); {AGAIN}")


def hash_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
