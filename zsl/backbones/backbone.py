"""Any timm model as a reader of image tokens."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from embeddings.io.arrays import check_stored
from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone, first_line
from zsl.backbones.config import BackboneConfig
from zsl.backbones.pretrained import check_weights, offline
from zsl.backbones.token_grid import fault_of, grid_of, image_tokens, level_map, prefix_tokens

IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")


class Backbone(BaseBackbone):
    """A timm model: images (batch, 3, height, width) uint8 to tokens (batch, token, channel).

    Raises:
        InputError: an unknown model; weights that cannot be fetched or do not fit the model.
    """

    mean: Tensor
    std: Tensor
    remedy = "set backbone.level, or choose another"
    resized = "set data.image_size, or backbone.arguments = {img_size = ...}"

    def __init__(self, config: BackboneConfig):
        super().__init__()
        seen_by = config.resolved()
        self.model = _create(config)
        self.name = config.name
        self.level = config.level
        self.prefix_tokens = prefix_tokens(self.model)
        for name in config.identity:
            _replace(self.model, name)
        if config.weights is not None:
            _load_weights(self.model, config.weights)
        self._leave_out_head()
        if config.checkpointing:
            _checkpoint(self.model, config.name)
        self.register_buffer("mean", 255 * torch.tensor(seen_by.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(seen_by.std).view(3, 1, 1), persistent=False)

    def _leave_out_head(self) -> None:
        """Removes the weights that the tokens do not depend on; no gradient would reach them."""
        try:
            if self.level is None:
                self.model.reset_classifier(0)
            else:
                self.model.prune_intermediate_layers([self.level], prune_norm=True, prune_head=True)
        except Exception as error:  # timm's models raise many kinds
            lacks = "classifier to leave out" if self.level is None else f"feature level {self.level}"
            raise InputError(f"backbone {self.name!r} has no {lacks} ({first_line(error)})") from error

    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        pixels = self._pixels(images)
        if self.level is not None:
            return level_map(self.model, pixels, self.level).flatten(2).transpose(1, 2)
        return image_tokens(self.model, self.model.forward_features(pixels), self.prefix_tokens)

    def _pixels(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def grid_of(self, images: UInt8[Tensor, "batch 3 height width"]) -> tuple[int, int]:
        return grid_of(self.model, self._pixels(images), self.level)

    def fault(self, images: Tensor) -> str | None:
        """Why the model's tokens are not those of a grid over the image; None if they are."""
        if self.level is not None:
            return None
        pixels = self._pixels(images)
        return fault_of(self.model, pixels, self.model.forward_features(pixels), self.prefix_tokens)


def _create(config: BackboneConfig) -> nn.Module:
    fetched = config.pretrained and config.weights is None
    if fetched:
        check_weights(config.name)
    import timm  # takes seconds, which runs on tokens need not wait for

    try:
        model = timm.create_model(config.name, pretrained=fetched, **config.arguments)
    except Exception as error:  # timm's models raise many kinds
        remedy = offline(config.name) if fetched else "see backbone.arguments"
        raise InputError(f"timm cannot make {config.name!r} ({first_line(error)}); {remedy}") from error
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.ndim == 4:  # weights of 3D convolutions have no such layout
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
    """The file itself, or the weights file in a folder that has the layout of a hub."""
    return next((path / name for name in IN_FOLDERS if (path / name).is_file()), path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a torch file that holds nothing else; nothing is unpickled.

    Args:
        path: the file.
    Returns:
        the tensors by name.
    Raises:
        InputError: no such file, a truncated file, a pickle of objects.
    """
    state = read_stored(path)
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{weights_file(path)} holds more than a dict of tensors; save the model's state_dict alone")
    return state


def read_stored(path: Path) -> Any:
    """What a safetensors file, or a torch file of tensors and plain values, holds; nothing is unpickled.

    Args:
        path: the file.
    Raises:
        InputError: no such file, a truncated file, a pickle of objects.
    """
    path = weights_file(path)
    if not path.is_file():
        raise InputError(f"no weights file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        check_stored(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds on a broken file
        raise InputError(
            f"{path} cannot be read as tensors ({first_line(error)}); give a whole safetensors or torch file"
        ) from error


def _load_weights(model: nn.Module, path: Path) -> None:
    state = {name.removeprefix("module."): value for name, value in read_tensors(path).items()}
    own = model.state_dict()
    state = {name: value for name, value in state.items() if not _of_classifier(model, name)}
    for name, value in own.items():
        if _of_classifier(model, name):
            continue
        if name not in state:
            raise InputError(f"{path} lacks {name!r} of the backbone; is it a file of another model?")
        if state[name].shape != value.shape:
            raise InputError(
                f"{path}: {name!r} is {tuple(state[name].shape)}, the backbone's {tuple(value.shape)}; "
                "is it a file of another model?"
            )
    surplus = sorted(set(state) - set(own))
    if surplus:
        raise InputError(f"{path} has {surplus[0]!r}, which the backbone lacks; is it a file of another model?")
    model.load_state_dict(state, strict=False)


def _of_classifier(model: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to the classifier, on which tokens do not depend."""
    known = getattr(model, "default_cfg", {}).get("classifier") or ()
    classifiers = (known,) if isinstance(known, str) else known
    return any(name.startswith(f"{classifier}.") for classifier in classifiers)
