"""The folder of an extraction: its plan, its shards, and the manifest, which says that it is complete."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model
from zsl.data.dataset import Augmentation, MultiLabelData
from zsl.data.tokens.files import (
    AGAIN,
    FORMAT,
    TARGETS,
    Dtype,
    Manifest,
    Plan,
    Shard,
    StoredNames,
    StoredPart,
    StoredParts,
    hash_of,
)


@dataclass(frozen=True)
class Extraction:
    """How tokens are stored, and what they depend on.

    Args:
        dtype: of the stored numbers.
        views: number of views per training image: the image itself and `views - 1` augmented ones.
        rows: images per shard.
        seed: of augmentation.
        skip_unreadable: True leaves out and lists images that do not decode; False raises an error.
        augment: the augmentation of training images, if there are several views.
        made_with: what else the tokens depend on: the backbone's config, the hash of its weights, the transform.
    """

    dtype: Dtype = "bf16"
    views: int = 1
    rows: int = 2048
    seed: int = 0
    skip_unreadable: bool = False
    augment: Augmentation | None = None
    made_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedShard:
    """A shard that is to be written: the rows of a part that it holds."""

    part: str
    number: int
    rows: range

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return f"{self.part}-{self.number:05d}.safetensors"


@dataclass(frozen=True)
class ShardNote(Shard):
    """A shard's note, in a file beside it; it lists the rows of images that did not decode, and why."""

    unreadable: dict[int, str]


def views_of(part: str, settings: Extraction) -> int:
    """The number of views of a part's images; test images have one."""
    return settings.views if part == "train" else 1


def shards_of(data: MultiLabelData, settings: Extraction) -> list[PlannedShard]:
    """All shards of a dataset, in order."""
    shards = []
    for part, rows in (("train", len(data.train.targets)), ("test", len(data.test.targets))):
        starts = range(0, rows, settings.rows)
        shards += [PlannedShard(part, n, range(s, min(s + settings.rows, rows))) for n, s in enumerate(starts)]
    return shards


def plan_of(data: MultiLabelData, settings: Extraction, batch_size: int) -> Plan:
    """All that the files depend on."""
    return Plan(
        format=FORMAT,
        data=data.name,
        fingerprint=data.fingerprint,
        dtype=settings.dtype,
        views=settings.views,
        rows_per_shard=settings.rows,
        batch_size=batch_size,
        seed=settings.seed,
        skip_unreadable=settings.skip_unreadable,
        made_with=json.loads(json.dumps(dict(settings.made_with))),  # the same types as after reading it again
    )


def begin(folder: Path, plan: Plan) -> None:
    """Makes the folder, or checks that an extraction with the same plan was started in it.

    Raises:
        InputError: the folder holds something else.
    """
    path = folder / "plan.json"
    if not folder.exists():
        folder.mkdir(parents=True)
    if not path.is_file():
        if any(not inside.name.startswith(".") for inside in folder.iterdir()):
            raise InputError(f"{folder} is not empty and holds no extraction; choose another --out")
        atomic.write_text(path, json.dumps(asdict(plan), indent=1) + "\n")
        return
    for inside in filter(_temporary, folder.iterdir()):
        inside.unlink()
    begun = vars(read_model(path, Plan, "choose another --out"))
    for key, value in vars(plan).items():
        if begun[key] != value:
            raise InputError(
                f"{folder} was started with {key} = {begun[key]!r}, now it is {value!r}; choose another --out, "
                "or give the same settings"
            )


def _temporary(path: Path) -> bool:
    """Whether a file was left behind by a killed write."""
    return path.name.startswith((".plan.", ".train-", ".test-", ".labels.", ".manifest."))


def is_written(path: Path) -> bool:
    """Whether a shard is complete: its note exists, which is written after it."""
    return path.with_suffix(".json").is_file() and path.is_file()


def write_shard(path: Path, tokens: Tensor, faults: dict[int, str]) -> None:
    """Writes a shard, then its note.

    Args:
        path: the shard's file.
        tokens: (image, view, token, channel).
        faults: for each image that did not decode, the reason, by its row.
    """
    atomic.write_bytes(path, safetensors_bytes({"tokens": tokens.contiguous()}))
    shape = (tokens.shape[0], tokens.shape[1], tokens.shape[2], tokens.shape[3])
    told = ShardNote(path.name, path.stat().st_size, hash_of(path), shape, faults)
    atomic.write_text(path.with_suffix(".json"), json.dumps(asdict(told), indent=1) + "\n")


def _stored(folder: Path, part: str, images: int, settings: Extraction, shards: list[PlannedShard]) -> StoredPart:
    """What a part's files hold, from the notes of its shards."""
    told = [read_model((folder / s.file).with_suffix(".json"), ShardNote, AGAIN) for s in shards if s.part == part]
    faults = {row: reason for one in told for row, reason in one.unreadable.items()}
    rows = sorted(faults)
    files = tuple(Shard(one.file, one.bytes, one.sha256, one.shape) for one in told)
    return StoredPart(images, views_of(part, settings), tuple(rows), tuple(faults[row] for row in rows), files)


def finish(folder: Path, data: MultiLabelData, settings: Extraction, plan: Plan, shards: list[PlannedShard]) -> None:
    """Writes the labels, then the manifest: a folder with a manifest is a complete extraction."""
    train, test = (
        _stored(folder, part, len(targets), settings, shards)
        for part, targets in (("train", data.train.targets), ("test", data.test.targets))
    )
    names = StoredNames(
        seen=data.seen,
        unseen=data.unseen,
        renamed=dict(data.renamed),
        partial=data.train.targets.partial,
        notes=data.notes,
        leaked=data.leaked,
        expected=dict(data.expected),
    )
    content = {"names": torch.frombuffer(bytearray(json.dumps(asdict(names)).encode()), dtype=torch.uint8)}
    for part, targets in (("train", data.train.targets), ("test", data.test.targets)):
        arrays = (targets.matrix.data, targets.matrix.indices, targets.matrix.indptr)
        content |= {f"targets.{part}.{name}": torch.from_numpy(a) for name, a in zip(TARGETS, arrays, strict=True)}
    labels = folder / "labels.safetensors"
    atomic.write_bytes(labels, safetensors_bytes(content))
    made = Manifest(**vars(plan), parts=StoredParts(train, test), labels_sha256=hash_of(labels))
    atomic.write_text(folder / "manifest.json", json.dumps(asdict(made), indent=1) + "\n")
