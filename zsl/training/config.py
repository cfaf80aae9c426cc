"""How a model is trained: the keys of `[train]`."""

from pydantic import Field, model_validator

from zsl.config import Config, Precision
from zsl.losses.table import LossName


class TrainConfig(Config):
    """Training of one model; `batch_size` is over all processes.

    `validation` is the share of the seen training data that picks the epoch. `ema` is the decay of the weights'
    moving average, which is what is validated and kept; 0 turns it off. `workers` decode images. `accumulate` pieces
    of a batch are gone through one after another, with the gradients of the whole. `clip` is the norm that gradients
    are cut to. `untagged_weight` is that of labels which nobody annotated, where annotations are partial: they count
    as negatives. `random_queries`: so many random vectors a piece are labels that no image has (appendix J's "noise").
    `checkpoint_steps` between checkpoints, 0 for one an epoch. `trackers` are Accelerate's, by name.
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
    untagged_weight: float = Field(1.0, ge=0, le=1)
    random_queries: int = Field(0, ge=0)
    ema: float = Field(0.9997, ge=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
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
