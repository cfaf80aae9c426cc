"""How a run's pictures become tokens: what prediction must know of the data and the backbone of training."""

from dataclasses import dataclass
from typing import Any

from zsl.backbones.base import BaseBackbone
from zsl.data.squares import Square
from zsl.runs.source import Source
from zsl.tensor_file import state_hash


@dataclass(frozen=True)
class Reader:
    """What turns pictures into the tokens that a readout was trained on.

    Args:
        square: how a picture is resized and cropped; None if that is not known.
        backbone: the backbone's config; None for a module of the user's own.
        sha256: of the backbone's weights by name.
        rounded: the tokens of training were bfloat16.
        leading: number of the first tokens that stand for the whole image.
    """

    square: Square | None
    backbone: dict[str, Any] | None
    sha256: str | None
    rounded: bool
    leading: int = 0


def reader_of(source: Source, backbone: BaseBackbone | None) -> Reader | None:
    """How the pictures of a source become tokens; None for features that no backbone of ours made.

    Args:
        source: of the run.
        backbone: with its weights after training; None for data of tokens.
    """
    if backbone is None:
        return _of_tokens(source)
    chosen = source.config.backbone
    square = getattr(source.data.train.inputs, "square", None) or Square(source.image_size)
    values = None if "backbone" in source.own or chosen is None else chosen.model_dump(mode="json")
    return Reader(square, values, state_hash(backbone), source.cached, source.leading)


def _of_tokens(source: Source) -> Reader | None:
    made = source.data.made_with
    if not made.get("backbone"):
        return None
    data = made["data"]
    read = {key: data[key] for key in ("interpolation", "crop", "squash") if data.get(key) is not None}
    square, rounded = Square(data["image_size"], **read), made["dtype"] == "bf16"
    return Reader(square, made["backbone"], made["weights_sha256"], rounded, source.leading)
