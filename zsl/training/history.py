"""The history of a training, epoch by epoch."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from torch import Tensor

from zsl.data.targets import Targets
from zsl.metrics.average_precision import average_precision, mean_over_labels
from zsl.metrics.chance import expected_average_precision


@dataclass
class Epochs:
    """`history.json`: mean loss per image, learning rate and seen validation mAP, epoch by epoch.

    `best_epoch` counts from 0. `chance` is the validation mAP of a random ranking. `chosen` are the values that
    validation chose for config keys. If several learning rates were tried, `tried` is the best validation mAP of each,
    or None for one whose training failed. If labels were held out to choose the epoch, `held_out_map` is their mAP,
    epoch by epoch.
    A blend has one entry, with the mAP of the blend and the weighted mean of its members' losses; `members` are theirs.
    """

    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    validation_map: list[float] = field(default_factory=list)
    best_epoch: int = -1
    chance: float = 0.0
    chosen: dict[str, Any] = field(default_factory=dict)
    tried: dict[str, float | None] = field(default_factory=dict)
    held_out_map: list[float] = field(default_factory=list)
    members: "list[MemberHistory]" = field(default_factory=list)


@dataclass
class MemberHistory:
    """A member of a blend: its number from 1, its `decoder.kind`, and its epochs."""

    member: int
    kind: str
    epochs: Epochs


@dataclass
class History(Epochs):
    """The epochs of a training, and the weights of the best one."""

    best_state: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The history without the weights; without `members`, unless it is that of a blend."""
        found = asdict(self.plain())
        return found if self.members else {name: value for name, value in found.items() if name != "members"}

    def plain(self) -> Epochs:
        """The history without the weights."""
        return Epochs(**{one.name: getattr(self, one.name) for one in fields(Epochs)})

    @property
    def best(self) -> float:
        """The validation mAP of the kept epoch."""
        return self.validation_map[self.best_epoch]


def validation_map(scores: np.ndarray, targets: Targets) -> float:
    """Mean AP of the labels that have a positive; entries that nobody annotated are left out.

    Args:
        scores, targets: (image, label).
    """
    values = targets.dense()
    return mean_over_labels(average_precision(scores, values > 0, values != 0 if targets.partial else None))


def chance_of(targets: Targets) -> float:
    """`validation_map` of a random ranking."""
    looked_at = np.bincount(targets.matrix.indices[targets.matrix.data != 0], minlength=targets.shape[1])
    images = looked_at if targets.partial else np.full(targets.shape[1], len(targets))
    return mean_over_labels(expected_average_precision(images, targets.label_counts().astype(np.float64)))
