"""Tokens of a frozen backbone on disk: sharded files that are mapped into memory, and the labels beside them.

A folder holds `manifest.json`, `labels.safetensors`, and for each part shards of a fixed number of images, each a
safetensors file of `tokens` (image, view, token, channel).
"""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from embeddings import InputError
from zsl.config import Config
from zsl.data.dataset import MultiLabelData, Part, Rows
from zsl.data.targets import Targets

FORMAT = "zsl-tokens/2"
TARGETS = ("values", "indices", "indptr")  # of a sparse (image, label) table
AGAIN = "remove it and run zsl data extract again"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TokensConfig(Config):
    """`root` is a folder of `zsl data extract`.

    `verify`: "full" reads every shard once to check its hash, "size" looks at sizes alone.
    """

    name: Literal["tokens"]
    root: Path
    verify: Literal["full", "size"] = "full"


@dataclass(frozen=True)
class TokenFiles:
    """Inputs in shards of `rows_per_shard` images, each in several views, of which the first is the image as it is."""

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
        """(batch, token, channel) of the rows, in their order, in the views given or the first."""
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
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            entry = json.loads(file.read(size))["tokens"]
        start, end = entry["data_offsets"]
        shape = tuple(entry["shape"])
        dtype = {"BF16": torch.bfloat16, "F16": torch.float16}[entry["dtype"]]
        if end - start != 2 * math.prod(shape) or path.stat().st_size != 8 + size + end:
            raise ValueError("its size is not that of its tokens")
        # "c": torch warns about memory that cannot be written to; nothing writes
        numbers = np.memmap(path, np.int16, "c", 8 + size + start, shape)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); {AGAIN}") from error
    return torch.from_numpy(numbers).view(dtype)


def load_tokens(config: TokensConfig) -> MultiLabelData:
    """The dataset that a folder's tokens were extracted from; images that could not be read are left out.

    Raises:
        InputError: not a finished extraction, a missing or damaged shard.
    """
    manifest = read_manifest(config.root)
    where = config.root / "labels.safetensors"
    try:
        if hash_of(where) != manifest["labels_sha256"]:
            raise ValueError("its content is not that of the extraction")
        content = load_file(where)
        names = json.loads(content["names"].numpy().tobytes())
        seen, unseen = tuple(names["seen"]), tuple(names["unseen"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(f"{where} is missing or damaged ({error}); {AGAIN}") from error
    parts, notes = {}, list(names["notes"])
    for part, labels in (("train", len(seen)), ("test", len(seen) + len(unseen))):
        told = manifest["parts"][part]
        paths = tuple(config.root / shard["file"] for shard in told["shards"])
        for path, shard in zip(paths, told["shards"], strict=True):
            check_shard(path, shard, full=config.verify == "full")
        if told["unreadable"]:
            kind = {"train": "training", "test": "test"}[part]
            notes.append(f"{len(told['unreadable']):,} of {told['images']:,} {kind} images did not decode: left out")
        rows = np.setdiff1d(np.arange(told["images"]), told["unreadable"])
        files = TokenFiles(paths, manifest["rows_per_shard"], rows, told["views"])
        parts[part] = Part(files, _targets(content, part, (told["images"], labels), names["partial"], where)[rows])
    return MultiLabelData(
        name=manifest["data"],
        seen=seen,
        unseen=unseen,
        train=parts["train"],
        test=parts["test"],
        kind="tokens",
        fingerprint=manifest["fingerprint"],
        notes=tuple(notes),
        renamed={title: tuple(labels) for title, labels in names["renamed"].items()},
        leaked=names["leaked"],
        expected=names["expected"],
    )


def _targets(content: dict[str, Tensor], part: str, shape: tuple[int, int], partial: bool, path: Path) -> Targets:
    try:
        values, indices, indptr = (content[f"targets.{part}.{name}"].numpy() for name in TARGETS)
        return Targets.of_arrays(values, indices, indptr, shape, partial)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} does not fit its manifest ({error}); {AGAIN}") from error


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a finished extraction.

    Raises:
        InputError: there is none.
    """
    path = root / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']}")
        if not {"parts", "rows_per_shard", "data", "fingerprint", "labels_sha256"} <= set(manifest):
            raise ValueError("it is not whole")
    except FileNotFoundError as error:
        raise InputError(f"{root} holds no finished extraction; run zsl data extract with --out {root}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no manifest of tokens ({error}); run zsl data extract again") from error
    return manifest


def check_shard(path: Path, told: dict[str, Any], full: bool) -> None:
    """A shard is the one that the manifest tells of.

    Raises:
        InputError: it is missing, of another size, or, where `full`, of another hash.
    """
    if not path.is_file() or path.stat().st_size != told["bytes"] or (full and hash_of(path) != told["sha256"]):
        state = "missing" if not path.is_file() else "damaged"
        raise InputError(f"{path} is {state}; remove it and run zsl data extract again with the same --out")


def hash_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
