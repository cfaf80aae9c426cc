"""The image tower of an image-text pair as a backbone: tokens in the space that images and texts share."""

from typing import Any, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from embeddings.encoders.open_clip_models import Pair, made
from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone
from zsl.backbones.config import OpenClipConfig
from zsl.backbones.reading import Channels, Reading
from zsl.backbones.towers import tower_of

# a text tower is not needed for tokens; with it, some would be fetched
NO_TEXTS = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}


class PairBackbone(BaseBackbone):
    """Images to tokens in the joint space of a pair: that of the whole image, then those of the patches.

    The token of the whole image is that of open_clip's `encode_image`, before it is normalised. Patches are as
    `zsl.backbones.towers` says.

    Raises:
        InputError: an unknown pair; weights that cannot be fetched or do not fit it; a tower without the reading
            `dense`.
    """

    mean: Tensor
    std: Tensor
    remedy = 'set backbone.tokens = "class", or choose another pair'

    def __init__(self, config: OpenClipConfig):
        super().__init__()
        seen_by = config.resolved()
        self.name, self.tokens = config.name, config.tokens
        self.leading = int(config.tokens != "patches")
        self.model = _image_tower(config)
        self.tower = tower_of(self.model, config.name, config.dense)
        if config.checkpointing and not self.tower.checkpoint():
            raise InputError(
                f"backbone {config.name!r} cannot checkpoint its gradients; set backbone.checkpointing=false"
            )
        self.register_buffer("mean", 255 * torch.tensor(seen_by.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(seen_by.std).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        whole, patches = self.tower.read(self._pixels(images))
        if self.tokens == "patches":
            return self.tower.patches(patches)
        first = self.tower.whole(whole)[:, None]
        return first if self.tokens == "class" else torch.cat([first, self.tower.patches(patches)], 1)

    def _pixels(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std

    def grid_of(self, images: UInt8[Tensor, "batch 3 height width"]) -> tuple[int, int]:
        if self.tokens == "class":
            raise InputError(
                f"backbone {self.name!r} gives the token of the whole image alone; for heat maps set backbone.tokens = "
                '"all"'
            )
        return self.tower.grid(self._pixels(images))

    def fault(self, images: Tensor) -> str | None:
        """Why the tower gives no vector of an image, or none of its patches; None if it does."""
        pixels = self._pixels(images)
        if self.tokens != "class":
            lacks = self.tower.lacks or self.tower.fault(pixels)
            if lacks:
                return f"no tokens of patches ({lacks})"
        shape = self.tower.whole(self.tower.features(pixels)).shape
        return None if len(shape) == 2 else f"vectors of shape {tuple(shape[1:])} for an image"


def reading_of_pair(pair: Pair) -> Reading:
    """How a pair reads pictures, as its own transform for evaluation does.

    Raises:
        InputError: an unknown pair.
    """
    size, how = pair.image_size, pair.known.preprocess
    sides = (size, size) if isinstance(size, int) else tuple(size)
    mean, std = (cast(Channels, tuple(map(float, how[key]))) for key in ("mean", "std"))
    return Reading(
        image_size=sides[0] if sides[0] == sides[1] else None,
        interpolation="bilinear" if how["interpolation"] == "bilinear" else "bicubic",  # as open_clip takes "random"
        crop=1.0,
        squash={"shortest": False, "squash": True}.get(how["resize_mode"]),
        mean=mean,
        std=std,
    )


def _image_tower(config: OpenClipConfig) -> nn.Module:
    """The image tower alone, with its weights if the config names some."""
    if config.has_weights:
        return config.pair.load().visual.train()
    known: dict[str, Any] = config.architecture or config.pair.known.model
    image = {key: value for key, value in known.items() if key != "multimodal_cfg"}
    return made(image | {"text_cfg": NO_TEXTS}, config.name).visual
