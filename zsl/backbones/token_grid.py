"""Which of a timm model's last features are tokens of the image: one for each place of a grid over it."""

from typing import Any

from torch import Tensor

Model = Any  # timm's models share methods, not a class


def prefix_tokens(model: Model) -> int:
    """How many tokens come before those of the image: class, distillation and register tokens.

    If timm does not say it, a model with a class token has it first.
    """
    known = getattr(model, "num_prefix_tokens", None)
    return int(any(n.startswith("cls_token") for n, _ in model.named_parameters()) if known is None else known)


def channels_last(model: Model) -> bool:
    """Whether maps are (batch, row, column, channel)."""
    return getattr(model, "output_fmt", None) == "NHWC"


def image_tokens(model: Model, features: Tensor, prefix: int) -> Tensor:
    """(batch, token, channel) of the features of `forward_features`."""
    if features.ndim == 3:
        return features[:, prefix:]
    return features.flatten(1, 2) if channels_last(model) else features.flatten(2).transpose(1, 2)


def level_map(model: Model, pixels: Tensor, level: int) -> Tensor:
    """(batch, channel, row, column) of a feature level."""
    maps: list[Tensor] = model.forward_intermediates(
        pixels, indices=[level], intermediates_only=True, stop_early=True, output_fmt="NCHW"
    )
    return maps[-1]


def grid_of(model: Model, pixels: Tensor, level: int | None) -> tuple[int, int]:
    """The rows and columns of the grid whose places the tokens are: of the last features, or of a level."""
    if level is None:
        features: Tensor = model.forward_features(pixels)
        if features.ndim == 4:
            rows, columns = features.shape[1:3] if channels_last(model) else features.shape[2:]
            return rows, columns
    rows, columns = level_map(model, pixels, -1 if level is None else level).shape[2:]
    return rows, columns


def fault_of(model: Model, pixels: Tensor, features: object, prefix: int) -> str | None:
    """What a model gives instead of one token for each place of its grid; None if that is what it gives."""
    if not isinstance(features, Tensor):
        return f"a {type(features).__name__} of features instead of one map"
    if features.ndim == 4:
        width = features.shape[3 if channels_last(model) else 1]
        return None if width == model.num_features else f"features of shape {tuple(features.shape[1:])}"
    if features.ndim != 3:
        return "pooled features instead of a map"
    rows, columns = level_map(model, pixels, -1).shape[2:]
    tokens = features.shape[1] - prefix
    return None if tokens == rows * columns else f"{tokens} image tokens for its grid of {rows} x {columns}"
