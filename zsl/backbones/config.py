"""Which model reads the pictures, and how it is trained: the keys of `[backbone]`."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, field_validator, model_validator

from embeddings.encoders.open_clip_models import FOLDER, HUB, Pair
from zsl.config import Config

if TYPE_CHECKING:  # torch and timm take seconds
    import zsl.backbones.base
    import zsl.backbones.reading

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


class AnyBackboneConfig(Config, ABC):
    """The base of every backbone's config: it makes the backbone, and says how its weights read pictures.

    `weights` is a local file of weights, or a folder with such a file in the layout of a hub. `mean` and `std` apply to
    pixels scaled to [0, 1]; by default they are the model's own. `mode`: "frozen" reads every image once and trains on
    its tokens; "tuned" trains the backbone too. A frozen backbone that is not `cached` reads every image in every
    epoch, with new augmentation. `keep`: a run's folder holds the backbone's weights, so that it can be used on another
    machine; without it, a frozen backbone is found again by its name, or by the path of its file, and is checked by its
    hash. `checkpointing` saves memory in training at the cost of time, if the model supports it.
    """

    name: str
    weights: Path | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    mode: Literal["frozen", "tuned"] = "frozen"
    cached: bool = True
    keep: bool = True
    checkpointing: bool = False

    @abstractmethod
    def make(self) -> "zsl.backbones.base.BaseBackbone":
        """The backbone, with its weights.

        Raises:
            InputError: an unknown model; weights that cannot be fetched or do not fit the model.
        """

    @abstractmethod
    def reading(self) -> "zsl.backbones.reading.Reading":
        """How the model's weights read pictures.

        Raises:
            InputError: an unknown model.
        """

    @property
    @abstractmethod
    def file(self) -> Path | None:
        """The local file that its weights come from; None if they come from elsewhere."""

    @property
    @abstractmethod
    def has_weights(self) -> bool:
        """Whether the config names weights, so that they can be found again."""

    @abstractmethod
    def without_weights(self) -> "AnyBackboneConfig":
        """The same model without weights, which are loaded afterwards; nothing is fetched to make it."""

    @property
    def pretraining(self) -> PretrainConfig | None:
        """How it is trained before it is frozen; None if it is not."""
        return None

    @property
    def pair(self) -> Pair | None:
        """The image-text pair whose image tower it is; None if it is none."""
        return None

    def resolved(self) -> "AnyBackboneConfig":
        """The same config, with the model's own mean and std if none are given.

        Raises:
            InputError: same as for `reading`.
        """
        return self.model_copy(update=self._found())

    def _found(self) -> dict[str, Any]:
        """The keys that `resolved` fills in."""
        if self.mean is not None and self.std is not None:
            return {}
        own = self.reading()
        return {"mean": self.mean or own.mean, "std": self.std or own.std}


class BackboneConfig(AnyBackboneConfig):
    """A timm model.

    `weights` is a safetensors file, or a torch file that holds only tensors; without it, `pretrained` fetches timm's
    weights. `level` is a feature level of timm's `forward_intermediates`; without it the model's last features are
    taken. `arguments` go to `timm.create_model`; `identity` names modules to replace by identity, for weights that were
    trained without them. `pretrain` trains the backbone on seen labels before it is frozen.
    """

    kind: Literal["timm"] = "timm"
    pretrained: bool = False
    level: int | None = None
    arguments: dict[str, Any] = {}
    identity: tuple[str, ...] = ()
    pretrain: PretrainConfig | None = None

    @field_validator("arguments")
    @classmethod
    def _no_second_key(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if name in OWN_KEYS:
                raise ValueError(f"backbone.arguments takes no {name}; use {OWN_KEYS[name]}")
        return arguments

    def make(self) -> "zsl.backbones.base.BaseBackbone":
        from zsl.backbones.backbone import Backbone

        return Backbone(self)

    def reading(self) -> "zsl.backbones.reading.Reading":
        from zsl.backbones.pretrained import reading_of  # timm takes seconds

        return reading_of(self.name, self.arguments)

    @property
    def file(self) -> Path | None:
        from zsl.backbones.backbone import weights_file

        return None if self.weights is None else weights_file(self.weights)

    @property
    def has_weights(self) -> bool:
        return self.weights is not None or self.pretrained

    def without_weights(self) -> "BackboneConfig":
        return self.model_copy(update={"weights": None, "pretrained": False})

    @property
    def pretraining(self) -> PretrainConfig | None:
        return self.pretrain


class OpenClipConfig(AnyBackboneConfig):
    """The image tower of an image-text pair of open_clip; its tokens are in the space that it shares with texts.

    `name`, `pretrained` and `weights` are those of `embeddings.encoders.open_clip_models.Pair`. `tokens`: "all" gives
    the token of the whole image (class token, or pooled by attention or by a mean) and then one for each patch;
    "class" and "patches" give the one or the others. `dense`: how the last block is read for patches: "plain" as it is;
    "value", the value path alone (MaskCLIP); "self", attention of queries to queries and keys to keys (SCLIP), both as
    in `zsl.backbones.dense`. `architecture` is filled in for a pair of a hub or a folder, so that a run opens where
    there is none.
    """

    kind: Literal["open_clip"] = "open_clip"
    pretrained: str = ""
    tokens: Literal["all", "class", "patches"] = "all"
    dense: Literal["plain", "value", "self"] = "plain"
    architecture: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _dense_needs_patches(self) -> "OpenClipConfig":
        if self.tokens == "class" and self.dense != "plain":
            raise ValueError(
                'backbone.tokens = "class" leaves out the patches that backbone.dense is about; remove one'
            )
        return self

    def make(self) -> "zsl.backbones.base.BaseBackbone":
        from zsl.backbones.open_clip_pair import PairBackbone

        return PairBackbone(self)

    def reading(self) -> "zsl.backbones.reading.Reading":
        from zsl.backbones.open_clip_pair import reading_of_pair

        return reading_of_pair(self.pair)

    @property
    def file(self) -> Path | None:
        return self.pair.file if self.weights is not None or self.name.startswith(FOLDER) else None

    @property
    def has_weights(self) -> bool:
        return self.weights is not None or bool(self.pretrained) or self.name.startswith((HUB, FOLDER))

    def without_weights(self) -> "OpenClipConfig":
        name = self.name
        if self.architecture is not None:  # then it needs no hub and no folder
            name = name.removeprefix(HUB).removeprefix(FOLDER).rpartition("/")[2]
        return self.model_copy(update={"weights": None, "pretrained": "", "name": name})

    @property
    def pair(self) -> Pair:
        return Pair(self.name, self.pretrained, self.weights)

    def _found(self) -> dict[str, Any]:
        named = self.architecture is not None or not self.name.startswith((HUB, FOLDER))
        return super()._found() | ({} if named else {"architecture": self.pair.known.model})


def _of_old_configs(values: Any) -> Any:
    """Configs without `kind` are of versions that had timm's models alone, or mean those."""
    return {"kind": "timm"} | values if isinstance(values, dict) else values


BackboneSection = Annotated[
    BackboneConfig | OpenClipConfig, Field(discriminator="kind"), BeforeValidator(_of_old_configs)
]
