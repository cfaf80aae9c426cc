"""Which model reads the pictures, and how it is trained: the keys of `[backbone]`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, field_validator

from zsl.config import Config

# arguments of `timm.create_model` that `backbone.arguments` may not hold, and what to use instead
OWN_KEYS = {
    "checkpoint_path": "backbone.weights",
    "features_only": "backbone.level",
    "in_chans": "pictures of three channels",
    "out_indices": "backbone.level",
    "pretrained": "backbone.pretrained",
    "pretrained_cfg": "a tag in backbone.name, or backbone.weights",
    "pretrained_cfg_overlay": "backbone.weights, backbone.mean and backbone.std",
}


class PretrainConfig(Config):
    """Training of the backbone on seen labels before it is frozen, with a max-pooled text readout on its tokens.

    The readout's word vectors come from an encoder of its own (`encoder`), so that ablations over encoders share one
    backbone.
    """

    epochs: int = Field(4, ge=1)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    encoder: str = "lexical"
    seed: int = Field(0, ge=0, lt=2**31)


class BackboneConfig(Config):
    """A timm model.

    `weights` is a local file (safetensors, or a torch file that holds only tensors) or a folder with such a file in the
    layout of a hub; without it, `pretrained` fetches timm's weights. `level` is a feature level of timm's
    `forward_intermediates`; without it the model's last features are taken. `arguments` go to `timm.create_model`;
    `identity` names modules to replace by identity, for weights that were trained without them. `mean` and `std` apply
    to pixels scaled to [0, 1]; by default they are the model's own, from timm. `mode`: "frozen" reads every image once
    and trains on its tokens; "tuned" trains the backbone too. A frozen backbone that is not `cached` reads every image
    in every epoch, with new augmentation. `keep`: a run's folder holds the backbone's weights, so that it can be used
    on another machine; without it, a frozen backbone is found again by its name, or by the path of its file, and is
    checked by its hash. `checkpointing` saves memory in training at the cost of time, if the model supports it.
    """

    name: str
    weights: Path | None = None
    pretrained: bool = False
    level: int | None = None
    arguments: dict[str, Any] = {}
    identity: tuple[str, ...] = ()
    mean: tuple[float, float, float] | None = None
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    mode: Literal["frozen", "tuned"] = "frozen"
    cached: bool = True
    keep: bool = True
    checkpointing: bool = False
    pretrain: PretrainConfig | None = None

    @field_validator("arguments")
    @classmethod
    def _no_second_key(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if name in OWN_KEYS:
                raise ValueError(f"backbone.arguments takes no {name}; use {OWN_KEYS[name]}")
        return arguments

    def resolved(self) -> "BackboneConfig":
        """The same config, with the model's own mean and std if none are given.

        Raises:
            InputError: timm has no such model.
        """
        if self.mean is not None and self.std is not None:
            return self
        from zsl.backbones.pretrained import reading_of  # timm takes seconds

        own = reading_of(self.name, self.arguments)
        return self.model_copy(update={"mean": self.mean or own.mean, "std": self.std or own.std})
