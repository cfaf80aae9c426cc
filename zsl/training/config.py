"""How a model is trained: the keys of `[train]`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from embeddings.io.errors import InputError
from embeddings.io.settings import parsed
from zsl.config import Config, Precision
from zsl.losses.table import LossName

# keys that let a step ask other labels than the seen ones, as they are
CHANGED = ("random_queries", "mixed_labels", "label_dropout", "vector_noise")

# keys of a run as a whole, which the members of a blend share
SHARED = (
    "accumulate",
    "backbone_lr",
    "validation",
    "precision",
    "compile",
    "workers",
    "seed",
    "checkpoint_steps",
    "trackers",
)


class TrainConfig(Config):
    """How one model is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images per step, over all processes.
        accumulate: number of pieces in which a batch is computed, one after another, to save memory; the gradients are
            those of the whole batch.
        lr: the highest learning rate of the readout, in a one-cycle schedule.
        backbone_lr: the highest learning rate of a backbone that is trained too; by default `lr`.
        weight_decay: of weights; biases and norms have none.
        warmup: the share of the steps during which the learning rate rises.
        clip: the largest norm of the gradients; None leaves them as they are.
        loss: its name; the keys of each loss are in `zsl.losses`.
        gamma_neg, gamma_pos, margin: of the asymmetric loss.
        focal_gamma: of the focal loss.
        two_way_temperature: of the positives in the two-way loss.
        untagged_weight: if annotations are partial, the weight of entries that nobody annotated, which count as
            negatives.
        random_queries: random vectors added to each piece as labels that no image has (appendix J's "noise").
        mixed_labels: mixtures of two seen labels added to each piece as labels; see `zsl.training.step_labels`.
        label_dropout: the share of the seen labels that each piece leaves out.
        vector_noise: the size of Gaussian noise on the word vectors in training, in units of their root mean square.
        ema: decay of the moving average of the weights, which is validated and kept; 0 turns it off.
        validation: the share of the seen training data that picks the epoch.
        select: by which labels the epoch, and one of several learning rates, are chosen. "seen": by the mAP of the seen
            labels on validation images. "held_out_labels": by that of labels that further models are trained without.
        precision: of the arithmetic; "auto" is bf16 if the hardware computes in it, else float32.
        compile: use torch.compile.
        workers: processes that decode images; 0 decodes in the main process.
        seed: of initial weights, order, dropout and augmentation.
        checkpoint_steps: steps between checkpoints; 0 writes one per epoch.
        trackers: Accelerate's, by name, such as "tensorboard".
    """

    epochs: int = Field(40, ge=1)
    batch_size: int = Field(64, ge=1)
    accumulate: int = Field(1, ge=1)
    lr: float = Field(2e-4, gt=0)
    backbone_lr: float | None = Field(None, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.2, gt=0, lt=1)
    clip: float | None = Field(None, gt=0)
    loss: LossName = "asymmetric"
    gamma_neg: float = Field(4.0, ge=0)
    gamma_pos: float = Field(0.0, ge=0)
    margin: float = Field(0.05, ge=0, lt=1)
    focal_gamma: float = Field(2.0, ge=0)
    two_way_temperature: float = Field(4.0, gt=0)
    untagged_weight: float = Field(1.0, ge=0, le=1)
    random_queries: int = Field(0, ge=0)
    mixed_labels: int = Field(0, ge=0)
    label_dropout: float = Field(0.0, ge=0, lt=1)
    vector_noise: float = Field(0.0, ge=0)
    ema: float = Field(0.9997, ge=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    select: Literal["seen", "held_out_labels"] = "seen"
    precision: Precision = "auto"
    compile: bool = False
    workers: int = Field(0, ge=0)
    seed: int = Field(0, ge=0, lt=2**31)
    checkpoint_steps: int = Field(0, ge=0)
    trackers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pieces_of_images(self) -> "TrainConfig":
        if self.accumulate > self.batch_size:
            told = f"train.accumulate = {self.accumulate} is more than train.batch_size = {self.batch_size}"
            raise ValueError(f"{told}; a piece of a batch has one image at least")
        return self


def changed_train(train: TrainConfig, changes: Mapping[str, Any], place: str) -> TrainConfig:
    """The `[train]` of a member of a blend.

    Args:
        train: of the run.
        changes: the member's own keys; `SHARED` ones cannot be among them.
        place: where they are from; messages begin with it.
    Raises:
        InputError: a key that a member cannot have, or an impossible value.
    """
    known = [key for key in TrainConfig.model_fields if key not in SHARED]
    for key in changes:
        if key in SHARED:
            raise InputError(f"{place}.{key}: all members share it; set train.{key}")
        if key not in known:
            raise InputError(f"unknown key {place}.{key}; known: {', '.join(known)}")
    return parsed(TrainConfig, train.model_dump() | dict(changes), place)
