"""Any timm model as a reader of image tokens."""

from pathlib import Path
from typing import Any, Literal

import timm
import torch
from jaxtyping import Float, UInt8
from pydantic import Field, PositiveFloat
from safetensors.torch import load_file
from torch import Tensor, nn

from embeddings import InputError
from zsl.config import Config

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
    keep models; `pretrained` asks timm's hub. `level` is a feature level of timm's `forward_intermediates`; without
    it the model's last features are taken. `arguments` go to `timm.create_model`; `identity` names modules to replace
    by identity, for weights that were trained without them. `mean` and `std` apply to pixels scaled to [0, 1]; the
    paper uses none. `mode`: "frozen" reads every image once and trains on its tokens; "tuned" trains the backbone
    too. A frozen backbone that is not `cached` reads every image in every epoch, so that each is augmented anew.
    `checkpointing` saves memory in training at the cost of time, where the model knows how.
    """

    name: str
    weights: Path | None = None
    pretrained: bool = False
    level: int | None = None
    arguments: dict[str, Any] = {}
    identity: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    mode: Literal["frozen", "tuned"] = "frozen"
    cached: bool = True
    checkpointing: bool = False
    pretrain: PretrainConfig | None = None


class Backbone(nn.Module):
    """Images (batch, 3, height, width) uint8 to tokens (batch, token, channel).

    Raises:
        InputError: an unknown model, a weights file that does not fit it.
    """

    mean: Tensor
    std: Tensor
    model: Any

    def __init__(self, config: BackboneConfig):
        super().__init__()
        self.model = _create(config)
        self.frozen = False
        self.level = config.level
        self.channels_last_output = getattr(self.model, "output_fmt", None) == "NHWC"
        self.prefix_tokens = int(getattr(self.model, "num_prefix_tokens", 0))
        for name in config.identity:
            _replace(self.model, name)
        if config.weights is not None:
            _load_weights(self.model, config.weights)
        if config.level is not None:
            try:
                self.model.prune_intermediate_layers([config.level], prune_norm=True, prune_head=True)
            except (AssertionError, AttributeError) as error:
                raise InputError(f"backbone {config.name!r} has no feature level {config.level}") from error
        else:
            self.model.reset_classifier(0)  # weights that no gradient reaches
        if config.checkpointing:
            _checkpoint(self.model, config.name)
        self.register_buffer("mean", 255 * torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        pixels = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        if self.level is not None:
            maps = self.model.forward_intermediates(
                pixels, indices=[self.level], intermediates_only=True, stop_early=True, output_fmt="NCHW"
            )[-1]
            return maps.flatten(2).transpose(1, 2)
        features = self.model.forward_features(pixels)
        if features.ndim == 3:
            return features[:, self.prefix_tokens :]
        return features.flatten(1, 2) if self.channels_last_output else features.flatten(2).transpose(1, 2)

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

    @torch.no_grad()
    def channels(self, image_size: int) -> int:
        """The size of a token.

        Raises:
            InputError: the model does not take images of this size.
        """
        training, device = self.training, self.mean.device
        self.eval()
        try:
            tokens = self(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=device))
        except (AssertionError, RuntimeError) as error:
            raise InputError(
                f"the backbone does not take images of {image_size} px ({_first_line(error)}); set data.image_size, or "
                "backbone.arguments = {img_size = ...}"
            ) from error
        self.train(training)
        return int(tokens.shape[-1])


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _create(config: BackboneConfig) -> nn.Module:
    if not timm.is_model(config.name):
        near = ", ".join(timm.list_models(f"*{config.name.split('_')[0]}*")[:5]) or "see timm.list_models()"
        raise InputError(f"unknown backbone {config.name!r}; timm has: {near}")
    try:
        model = timm.create_model(config.name, pretrained=config.pretrained, **config.arguments)
    except (TypeError, ValueError, KeyError, AssertionError, OSError, RuntimeError) as error:
        raise InputError(f"timm cannot make {config.name!r} ({_first_line(error)}); see backbone.arguments") from error
    return model.to(memory_format=torch.channels_last)


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
    classifier = str(getattr(model, "default_cfg", {}).get("classifier", "")) or "\0"
    own = model.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith(classifier)}
    for name, value in own.items():
        if name.startswith(classifier):
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
