"""The built-in dataset: drawn pictures with seen and unseen labels, and synonyms of the unseen ones."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.dataset_config import DatasetConfig
from zsl.data.layouts.drawing import NUM_SEEN, NUM_UNSEEN, draw_set, phrases, vocabulary
from zsl.data.targets import Targets


class ScenesConfig(DatasetConfig):
    """Drawn pictures; the same seed draws the same pictures.

    `seen` and `unseen` are numbers of labels, which are drawn from 1,008 phrases; with `unseen = 0` the set is closed.
    A picture shows 1 to `objects` labels.
    """

    pictures: ClassVar[bool] = True
    drawn: ClassVar[bool] = True
    name: Literal["scenes"] = "scenes"
    train: int = Field(12_000, ge=1)
    test: int = Field(4_000, ge=1)
    image_size: int = Field(64, ge=32)
    seed: int = Field(0, ge=0)
    seen: int = Field(NUM_SEEN, ge=1)
    unseen: int = Field(NUM_UNSEEN, ge=0)
    objects: int = Field(5, ge=1)

    @model_validator(mode="after")
    def _labels_enough(self) -> "ScenesConfig":
        most = len(phrases())
        if self.seen + self.unseen > most:
            raise ValueError(f"data.seen + data.unseen is {self.seen + self.unseen}, but there are {most:,} phrases")
        if self.objects > self.seen:
            raise ValueError(f"data.objects is {self.objects}, but there are {self.seen} seen labels")
        return self

    def load(self) -> MultiLabelData:
        """Training pictures show seen labels only; test pictures show all labels, each equally often."""
        import torch

        seen, unseen, synonyms = vocabulary(self.seed, self.seen, self.unseen)

        def part(names: list[str], count: int, stream: int) -> Part:
            images, targets = draw_set(names, count, 2 * self.seed + stream, self.image_size, self.objects)
            return Part(Tensors(torch.from_numpy(images).permute(0, 3, 1, 2)), Targets.of(targets))

        return MultiLabelData(
            name="scenes",
            seen=tuple(seen),
            unseen=tuple(unseen),
            train=part(seen, self.train, 0),
            test=part(seen + unseen, self.test, 1),
            kind="images",
            fingerprint=self.model_dump_json(),
            renamed={"synonyms": tuple(synonyms)} if unseen else {},
        )
