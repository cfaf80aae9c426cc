"""The built-in dataset: drawn pictures with 925 seen and 81 unseen labels, and synonyms of the unseen ones."""

from typing import Literal

import torch
from pydantic import Field

from zsl.config import Config
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.drawing import draw_set, vocabulary
from zsl.data.targets import Targets


class ScenesConfig(Config):
    """Pictures drawn for one run; the same seed draws the same pictures."""

    name: Literal["scenes"] = "scenes"
    train: int = Field(12_000, ge=1)
    test: int = Field(4_000, ge=1)
    image_size: int = Field(64, ge=32)
    seed: int = Field(0, ge=0)


def load_scenes(config: ScenesConfig) -> MultiLabelData:
    """Training pictures show seen labels only; test pictures show all, each label as often as another."""
    seen, unseen, synonyms = vocabulary(config.seed)

    def part(names: list[str], count: int, stream: int) -> Part:
        images, targets = draw_set(names, count, 2 * config.seed + stream, config.image_size)
        return Part(Tensors(torch.from_numpy(images).permute(0, 3, 1, 2)), Targets.of(targets))

    return MultiLabelData(
        name="scenes",
        seen=tuple(seen),
        unseen=tuple(unseen),
        train=part(seen, config.train, 0),
        test=part(seen + unseen, config.test, 1),
        kind="images",
        fingerprint=config.model_dump_json(),
        renamed={"synonyms": tuple(synonyms)},
    )
