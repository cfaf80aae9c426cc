"""Training images as a zero-shot dataset of their own, in which some seen labels stand for unseen ones.

Its test images are the validation images of the run. The real test part is gone, so nothing that is chosen on such a
dataset has seen it.
"""

from dataclasses import replace

import numpy as np
from pydantic import Field, model_validator

from embeddings.io.errors import InputError
from zsl.config import Config
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.folds import fold_columns, split_rows
from zsl.data.layouts.features import Chosen
from zsl.data.pictures import Pictures
from zsl.evaluation.stamp import hash_of_names

MORE_IMAGES = "train with a larger train.validation"


class HeldOutConfig(Config):
    """Which seen labels a run is trained without: they stand for unseen labels, and validation images for the test.

    Args:
        folds: number of equal parts into which the seen labels are divided, in random order.
        fold: the part that is held out, counted from 0; None holds out no label.
        seed: of the order.
    """

    folds: int = Field(5, ge=2)
    fold: int | None = Field(None, ge=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> "HeldOutConfig":
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"held_out.fold = {self.fold} with held_out.folds = {self.folds}; folds count from 0")
        return self

    def labels(self, seen: int) -> np.ndarray:
        """The columns of the held-out labels, ascending.

        Args:
            seen: number of seen labels.
        Raises:
            InputError: fewer labels than folds.
        """
        columns = fold_columns(seen, self.folds, self.fold or 0, self.seed)
        return columns if self.fold is not None else columns[:0]


def without_test(data: MultiLabelData, share: float) -> MultiLabelData:
    """A closed set of seen labels: the training part, whose validation images replace the test part.

    Args:
        data: images or tokens; its test part is not read.
        share: of the validation images.
    Raises:
        InputError: no image is left to train on.
    """
    train, held = split_rows(len(data.train.targets), share)
    return replace(
        data,
        name=f"{data.name}, validation images",
        unseen=(),
        train=_chosen(data.train, train),
        test=_chosen(data.train, held),
        fingerprint=f"{data.fingerprint} {len(held)} validation images",
        renamed={},
        notes=(),
        leaked=0,
        expected={},
    )


def hold_out(data: MultiLabelData, columns: np.ndarray) -> MultiLabelData:
    """The same images, with some seen labels as unseen ones; training images that keep no label are left out.

    Args:
        data: as `without_test` makes it.
        columns: of the seen labels that are held out, one at least.
    Raises:
        InputError: no training image is left; no validation image shows a label that is kept, or one that is held out.
    """
    kept = np.setdiff1d(np.arange(len(data.seen)), columns)
    seen, unseen = (tuple(data.seen[column] for column in chosen) for chosen in (kept, columns))
    train, test = data.train.targets.columns(kept), data.test.targets.columns(np.concatenate([kept, columns]))
    rows, shown = np.flatnonzero(train.image_counts()), test.label_counts()
    if not len(rows):
        raise InputError(f"without {len(columns)} seen labels, {data.name} has no training image; hold out fewer")
    if not (shown[: len(kept)].any() and shown[len(kept) :].any()):
        told = "held out" if shown[: len(kept)].any() else "kept"
        raise InputError(f"{data.name}: none shows one of the seen labels that are {told}; {MORE_IMAGES}")
    return replace(
        data,
        name=f"{data.name}, {len(columns)} seen labels held out",
        seen=seen,
        unseen=unseen,
        train=_chosen(replace(data.train, targets=train), rows),
        test=replace(data.test, targets=test),
        fingerprint=f"{data.fingerprint} without {hash_of_names(unseen)}",
    )


def _chosen(part: Part, rows: np.ndarray) -> Part:
    inputs = part.inputs
    return Part(inputs.only(rows) if isinstance(inputs, Pictures) else Chosen(inputs, rows), part.targets[rows])
