"""Writing a frozen backbone's tokens to disk, so that training reads no picture.

Every shard is made alone, by one process, of batches that lie inside it, from random numbers that belong to its images:
however many processes there are, and wherever they are stopped and started again, the files are the same.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model
from zsl.backbones.base import BaseBackbone
from zsl.context import Context
from zsl.data.dataset import Augmentation, Inputs, MultiLabelData, not_finite, read_finite
from zsl.data.tokens.files import (
    AGAIN,
    DTYPES,
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
        views: stored of every training image: the image itself, and so many less one augmented ones.
        rows: images of a shard.
        seed: of augmentation.
        skip_unreadable: images that do not decode are left out and listed, instead of an error.
        augment: of training images, where there are several views.
        made_with: what the tokens depend on besides: the backbone's config, the hash of its weights, the transform.
    """

    dtype: Dtype = "bf16"
    views: int = 1
    rows: int = 2048
    seed: int = 0
    skip_unreadable: bool = False
    augment: Augmentation | None = None
    made_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Shard:
    part: str
    number: int
    rows: range

    @property
    def file(self) -> str:
        return f"{self.part}-{self.number:05d}.safetensors"


@dataclass(frozen=True)
class ShardNote(Shard):
    """What is noted of a shard beside it: with the rows of its images that did not decode, and why."""

    unreadable: dict[int, str]


Read = tuple[_Shard, Tensor, list[int], list[str]]


class _Batches(Dataset[Read]):
    """Batches of images of shards; each image's views are drawn from a generator of its own."""

    def __init__(self, data: MultiLabelData, shards: list[_Shard], settings: Extraction, size: int):
        self.parts = {"train": data.train, "test": data.test}
        self.settings, self.like = settings, first_readable(data)
        self.batches = [(s, s.rows[start : start + size]) for s in shards for start in range(0, len(s.rows), size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Read:
        shard, rows = self.batches[index]
        views = views_of(shard.part, self.settings)
        images = torch.zeros(len(rows), views, *self.like.shape, dtype=self.like.dtype)
        unreadable, reasons = [], []
        for place, row in enumerate(rows):
            try:
                images[place] = self._views(shard.part, row, views)
            except InputError as error:
                unreadable.append(row)
                reasons.append(str(error))
        return shard, images, unreadable, reasons

    def _views(self, part: str, row: int, views: int) -> Tensor:
        image = read_finite(self.parts[part].inputs, [row])[0]
        augment = self.settings.augment
        if part == "test" or augment is None:
            return image.expand(views, *image.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed * 1_000_003 + row)
            return torch.stack([image, *(augment(image) for _ in range(views - 1))])


def views_of(part: str, settings: Extraction) -> int:
    """Test images have one view."""
    return settings.views if part == "train" else 1


def _whole(batch: Any) -> Any:
    return batch[0]


@torch.inference_mode()
def extract(
    backbone: BaseBackbone | None, data: MultiLabelData, folder: Path, settings: Extraction, context: Context
) -> None:
    """Writes the tokens of a dataset's images into a folder; an extraction that was stopped there is continued.

    Args:
        backbone: frozen; its tokens are stored. None where the data holds tokens already.
        data: of images, or of features in another format.
        folder: made if it is not there.
        settings: how tokens are stored, and what they depend on.
        context: whose processes share out the shards; its batches, workers and progress.
    Raises:
        InputError: the folder holds another extraction; an image that does not decode, unless those are skipped.
    """
    accelerator, plan = context.accelerator, _plan(data, settings, context.batch_size)
    if context.is_main:
        _begin(folder, plan)
    accelerator.wait_for_everyone()
    shards = _shards(data, settings)
    own = [s for s in shards[accelerator.process_index :: accelerator.num_processes] if not _done(folder / s.file)]
    if backbone is not None:
        backbone.to(context.device).eval()
    _write_shards(backbone, _Batches(data, own, settings, context.batch_size), folder, context)
    accelerator.wait_for_everyone()
    if context.is_main:
        _finish(folder, data, settings, plan, shards)
    accelerator.wait_for_everyone()


def _write_shards(backbone: BaseBackbone | None, batches: _Batches, folder: Path, context: Context) -> None:
    """Reads the batches of each shard, and writes the shard when it is whole."""
    settings, done = batches.settings, 0
    loader = DataLoader(batches, 1, num_workers=context.workers, collate_fn=_whole)
    for shard, group in groupby(loader, key=lambda read: read[0]):
        tokens: list[Tensor] = []
        faults: dict[int, str] = {}
        for _, images, unreadable, reasons in group:
            if unreadable and not settings.skip_unreadable:
                raise InputError(f"{reasons[0]}; or give --skip-unreadable")
            faults |= dict(zip(unreadable, reasons, strict=True))
            made = _tokens(backbone, images, context, DTYPES[settings.dtype])
            _check_finite(made, batches.parts[shard.part].inputs, shard.rows[sum(map(len, tokens)) :])
            tokens.append(made)
            done += 1
            context.progress("extract", done, len(batches))
        _write(folder / shard.file, torch.cat(tokens), faults)


def first_readable(data: MultiLabelData) -> Tensor:
    """The first image that decodes.

    Raises:
        InputError: none does.
    """
    for row in range(len(data.train.targets)):
        try:
            return read_finite(data.train.inputs, [row])[0]
        except InputError as error:
            last = error
    raise InputError(f"no training image of {data.name} decodes ({last})")


def _tokens(backbone: BaseBackbone | None, images: Tensor, context: Context, dtype: torch.dtype) -> Tensor:
    if backbone is None:
        return images.to(dtype)
    with context.accelerator.autocast():
        tokens = backbone(images.flatten(0, 1).to(context.device))
    return tokens.to("cpu", dtype).unflatten(0, images.shape[:2])


def _check_finite(tokens: Tensor, inputs: Inputs, rows: range) -> None:
    place = not_finite(tokens)
    if place is not None:
        raise InputError(
            f"tokens of {inputs.name(rows[place])} are not finite: too large for --dtype fp16 (take bf16), or the "
            "backbone's weights are spoilt"
        )


def _shards(data: MultiLabelData, settings: Extraction) -> list[_Shard]:
    shards = []
    for part, rows in (("train", len(data.train.targets)), ("test", len(data.test.targets))):
        starts = range(0, rows, settings.rows)
        shards += [_Shard(part, n, range(s, min(s + settings.rows, rows))) for n, s in enumerate(starts)]
    return shards


def _plan(data: MultiLabelData, settings: Extraction, batch_size: int) -> Plan:
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
        made_with=json.loads(json.dumps(dict(settings.made_with))),  # as it is read again
    )


def _begin(folder: Path, plan: Plan) -> None:
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
                f"{folder} was begun with {key} = {begun[key]!r}, now it is {value!r}; choose another --out, "
                "or do as before"
            )


def _temporary(path: Path) -> bool:
    """Whether a file is what a write left that was killed."""
    return path.name.startswith((".plan.", ".train-", ".test-", ".labels.", ".manifest."))


def _done(path: Path) -> bool:
    """Whether a shard is whole: what tells of it is written after it."""
    return path.with_suffix(".json").is_file() and path.is_file()


def _write(path: Path, tokens: Tensor, faults: dict[int, str]) -> None:
    atomic.write_bytes(path, safetensors_bytes({"tokens": tokens.contiguous()}))
    shape = (tokens.shape[0], tokens.shape[1], tokens.shape[2], tokens.shape[3])
    told = ShardNote(path.name, path.stat().st_size, hash_of(path), shape, faults)
    atomic.write_text(path.with_suffix(".json"), json.dumps(asdict(told), indent=1) + "\n")


def _stored(folder: Path, part: str, images: int, settings: Extraction, shards: list[_Shard]) -> StoredPart:
    """What a part's files hold, from what was noted of its shards."""
    told = [read_model((folder / s.file).with_suffix(".json"), ShardNote, AGAIN) for s in shards if s.part == part]
    faults = {row: reason for one in told for row, reason in one.unreadable.items()}
    rows = sorted(faults)
    files = tuple(Shard(one.file, one.bytes, one.sha256, one.shape) for one in told)
    return StoredPart(images, views_of(part, settings), tuple(rows), tuple(faults[row] for row in rows), files)


def _finish(folder: Path, data: MultiLabelData, settings: Extraction, plan: Plan, shards: list[_Shard]) -> None:
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
    # last: a folder with a manifest is a whole extraction
    atomic.write_text(folder / "manifest.json", json.dumps(asdict(made), indent=1) + "\n")
