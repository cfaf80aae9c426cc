"""Any timm model as a reader of image tokens."""

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from pydantic import Field, PositiveFloat, field_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from embeddings.io.arrays import check_stored
from embeddings.io.errors import InputError
from zsl.backbones.pretrained import check_weights, offline, reading_of
from zsl.backbones.token_grid import fault_of, image_tokens, level_map, prefix_tokens
from zsl.config import Config

# arguments of `timm.create_model` that have no place among `backbone.arguments`, and what has
OWN_KEYS = {
    "checkpoint_path": "backbone.weights",
    "features_only": "backbone.level",
    "in_chans": "pictures of three channels",
    "out_indices": "backbone.level",
    "pretrained": "backbone.pretrained",
    "pretrained_cfg": "a tag in backbone.name, or backbone.weights",
    "pretrained_cfg_overlay": "backbone.weights, backbone.mean and backbone.std",
}
IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")


class PretrainConfig(Config):
    """Training of the backbone on seen labels before it is frozen, with a max-pooled text readout on its tokens.

    The readout takes vectors of an encoder of its own, so that ablations over encoders share one backbone.
    """

    epochs: int = Field(4, ge=1)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    encoder: str = "lexical"
    seed: int = Field(0, ge=0, lt=2**31)


class BackboneConfig(Config):
    """A timm model.

    `weights` is a local file (safetensors, or a torch file of tensors alone) or a folder with one of them, as hubs
    keep models; without it, `pretrained` asks timm's hub. `level` is a feature level of timm's
    `forward_intermediates`; without it the model's last features are taken. `arguments` go to `timm.create_model`;
    `identity` names modules to replace by identity, for weights that were trained without them. `mean` and `std` apply
    to pixels scaled to [0, 1]; those that are not given are the model's own, as timm has them. `mode`: "frozen" reads
    every image once and trains on its tokens; "tuned" trains the backbone too. A frozen backbone that is not `cached`
    reads every image in every epoch, so that each is augmented anew. `checkpointing` saves memory in training at the
    cost of time, where the model knows how.
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
    checkpointing: bool = False
    pretrain: PretrainConfig | None = None

    @field_validator("arguments")
    @classmethod
    def _no_second_key(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        for name in arguments:
            if name in OWN_KEYS:
                raise ValueError(f"backbone.arguments takes no {name}; there is {OWN_KEYS[name]}")
        return arguments

    def resolved(self) -> "BackboneConfig":
        """The same, with the model's own mean and std where none are given.

        Raises:
            InputError: timm has no such model.
        """
        if self.mean is not None and self.std is not None:
            return self
        own = reading_of(self.name, self.arguments)
        return self.model_copy(update={"mean": self.mean or own.mean, "std": self.std or own.std})


class Backbone(nn.Module):
    """Images (batch, 3, height, width) uint8 to tokens (batch, token, channel).

    Raises:
        InputError: an unknown model, weights that cannot be had or do not fit it.
    """

    mean: Tensor
    std: Tensor
    model: Any

    def __init__(self, config: BackboneConfig):
        super().__init__()
        config = config.resolved()
        self.model = _create(config)
        self.name = config.name
        self.frozen = False
        self.level = config.level
        self.prefix_tokens = prefix_tokens(self.model)
        for name in config.identity:
            _replace(self.model, name)
        if config.weights is not None:
            _load_weights(self.model, config.weights)
        self._leave_out_head()
        if config.checkpointing:
            _checkpoint(self.model, config.name)
        self.register_buffer("mean", 255 * torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def _leave_out_head(self) -> None:
        """Takes out what the tokens do not depend on: weights that no gradient reaches."""
        try:
            if self.level is None:
                self.model.reset_classifier(0)
            else:
                self.model.prune_intermediate_layers([self.level], prune_norm=True, prune_head=True)
        except Exception as error:  # timm's models raise many kinds
            lacks = "classifier to leave out" if self.level is None else f"feature level {self.level}"
            raise InputError(f"backbone {self.name!r} has no {lacks} ({_first_line(error)})") from error

    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        pixels = self._pixels(images)
        if self.level is not None:
            return level_map(self.model, pixels, self.level).flatten(2).transpose(1, 2)
        return image_tokens(self.model, self.model.forward_features(pixels), self.prefix_tokens)

    def _pixels(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def leave_out_unused(self, image_size: int) -> None:
        """Takes parameters out of training that the tokens do not depend on: several processes would wait for them."""
        training = self.training
        self.eval()
        self(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=self.mean.device)).sum().backward()
        for parameter in self.parameters():
            parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
            parameter.grad = None
        self.train(training)

    def freeze(self) -> None:
        """No gradients and no running statistics from here on."""
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Backbone":
        return super().train(mode and not self.frozen)

    def channels(self, image_size: int) -> int:
        """The size of a token; see `shape`."""
        return self.shape(image_size)[1]

    @torch.no_grad()
    def shape(self, image_size: int) -> tuple[int, int]:
        """How many tokens an image has, and the size of a token.

        Raises:
            InputError: the model does not take images of this size, or its tokens are not those of a grid over the
                image.
        """
        training, device = self.training, self.mean.device
        self.eval()
        image = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=device)
        try:
            fault = self._fault(self._pixels(image)) if self.level is None else None
            tokens = self(image) if fault is None else None
        except Exception as error:  # timm's models raise many kinds
            raise InputError(
                f"the backbone does not take images of {image_size} px ({_first_line(error)}); set data.image_size, or "
                "backbone.arguments = {img_size = ...}"
            ) from error
        if tokens is None:
            raise InputError(f"backbone {self.name!r} gives {fault}; set backbone.level, or choose another")
        self.train(training)
        return int(tokens.shape[1]), int(tokens.shape[2])

    def _fault(self, pixels: Tensor) -> str | None:
        return fault_of(self.model, pixels, self.model.forward_features(pixels), self.prefix_tokens)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _create(config: BackboneConfig) -> nn.Module:
    fetched = config.pretrained and config.weights is None
    if fetched:
        check_weights(config.name)
    import timm  # takes seconds, which runs on tokens need not wait for

    try:
        model = timm.create_model(config.name, pretrained=fetched, **config.arguments)
    except Exception as error:  # timm's models raise many kinds
        remedy = offline(config.name) if fetched else "see backbone.arguments"
        raise InputError(f"timm cannot make {config.name!r} ({_first_line(error)}); {remedy}") from error
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:  # those of 3D convolutions have no such layout
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model


def _checkpoint(model: nn.Module, name: str) -> None:
    try:
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    except (AssertionError, AttributeError) as error:
        raise InputError(
            f"backbone {name!r} cannot checkpoint its gradients; set backbone.checkpointing=false"
        ) from error


def _replace(model: nn.Module, name: str) -> None:
    try:
        model.get_submodule(name)
    except AttributeError as error:
        raise InputError(f"backbone.identity: the model has no module {name!r}") from error
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Identity())


def weights_file(path: Path) -> Path:
    """The file itself, or that of a folder as hubs keep models."""
    return next((path / name for name in IN_FOLDERS if (path / name).is_file()), path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A file of tensors: safetensors, or a torch file that holds nothing else; nothing is unpickled.

    Raises:
        InputError: no such file, a file cut short, a pickle of objects.
    """
    path = weights_file(path)
    if not path.is_file():
        raise InputError(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        check_stored(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds on a broken file
        raise InputError(
            f"{path} cannot be read as tensors ({_first_line(error)}); give a whole safetensors or torch file"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds more than a dict of tensors; save the model's state_dict alone")
    return state


def _load_weights(model: nn.Module, path: Path) -> None:
    state = {name.removeprefix("module."): value for name, value in read_tensors(path).items()}
    own = model.state_dict()
    state = {name: value for name, value in state.items() if not _of_classifier(model, name)}
    for name, value in own.items():
        if _of_classifier(model, name):
            continue
        if name not in state:
            raise InputError(f"{path} lacks {name!r} of the backbone; is it another model's?")
        if state[name].shape != value.shape:
            raise InputError(
                f"{path}: {name!r} is {tuple(state[name].shape)}, the backbone's {tuple(value.shape)}; "
                "is it another model's?"
            )
    surplus = sorted(set(state) - set(own))
    if surplus:
        raise InputError(f"{path} has {surplus[0]!r}, which the backbone lacks; is it another model's?")
    model.load_state_dict(state, strict=False)


def _of_classifier(model: nn.Module, name: str) -> bool:
    """Whether a tensor is one of the classifier's, which tokens do not depend on."""
    known = getattr(model, "default_cfg", {}).get("classifier") or ()
    classifiers = (known,) if isinstance(known, str) else known
    return any(name.startswith(f"{classifier}.") for classifier in classifiers)
