"""Writing a frozen backbone's tokens to disk, so that training reads no picture.

Each shard is made by one process, from batches that do not cross shards, with random numbers that depend only on its
images. So the files do not depend on the number of processes, nor on interruptions.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone
from zsl.context import Context
from zsl.data.dataset import Inputs, MultiLabelData, not_finite, read_finite
from zsl.data.tokens.files import DTYPES
from zsl.data.tokens.writing import (
    Extraction,
    PlannedShard,
    begin,
    finish,
    is_written,
    plan_of,
    shards_of,
    views_of,
    write_shard,
)

Read = tuple[PlannedShard, Tensor, list[int], list[str]]


class _Batches(Dataset[Read]):
    """Batches of images of shards; each image's views are drawn from a generator of its own."""

    def __init__(self, data: MultiLabelData, shards: list[PlannedShard], settings: Extraction, size: int):
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


def _whole(batch: Any) -> Any:
    return batch[0]


@torch.inference_mode()
def extract(
    backbone: BaseBackbone | None, data: MultiLabelData, folder: Path, settings: Extraction, context: Context
) -> None:
    """Writes the tokens of a dataset's images into a folder; an interrupted extraction in the folder is continued.

    Args:
        backbone: frozen; its tokens are stored. None if the data already holds tokens.
        data: images, or features in another format.
        folder: made if it does not exist.
        settings: how tokens are stored, and what they depend on.
        context: device, processes (among which shards are divided), batch size, workers and progress.
    Raises:
        InputError: the folder holds something else or another extraction; an image that does not decode, unless such
            images are skipped.
    """
    accelerator, plan = context.accelerator, plan_of(data, settings, context.batch_size)
    if context.is_main:
        begin(folder, plan)
    accelerator.wait_for_everyone()
    shards = shards_of(data, settings)
    own = [s for s in shards[accelerator.process_index :: accelerator.num_processes] if not is_written(folder / s.file)]
    if backbone is not None:
        backbone.to(context.device).eval()
    _write_shards(backbone, _Batches(data, own, settings, context.batch_size), folder, context)
    accelerator.wait_for_everyone()
    if context.is_main:
        finish(folder, data, settings, plan, shards)
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
        write_shard(folder / shard.file, torch.cat(tokens), faults)


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
