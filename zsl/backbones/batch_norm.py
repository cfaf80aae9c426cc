"""Batch normalisation cannot be trained on one value per channel; such batches are found before training."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone


def check_pieces(
    backbone: BaseBackbone, image_size: int, images: int, batch_size: int, pieces: int, section: str = "train"
) -> None:
    """Checks that a backbone can be trained on every piece of every batch.

    Args:
        backbone: the backbone that is trained.
        image_size: the side of an image, in pixels.
        images: number of training images.
        batch_size: images per step.
        pieces: number of pieces that each batch is divided into, over all processes.
        section: the config section of `batch_size`, for messages.
    Raises:
        InputError: a piece has a single image, of which a batch normalisation gets one value per channel.
    """
    if smallest_piece(images, batch_size, pieces) > 1:
        return
    layer = lone_layer(backbone, image_size)
    if layer is None:
        return
    shared = f" in {pieces} pieces" if pieces > 1 else ""
    near = sorted(range(2, 2 * batch_size + 1), key=lambda size: abs(size - batch_size))
    size = next((size for size in near if smallest_piece(images, size, pieces) > 1), None)
    remedy = f"a larger data.image_size than {image_size}" + (f", or {section}.batch_size={size}" if size else "")
    raise InputError(
        f"{section}.batch_size={batch_size}{shared} leaves a single image of {images:,} for a step, and batch "
        f"normalisation {layer!r} of backbone {backbone.name!r} cannot be trained on one image; set {remedy}"
    )


def smallest_piece(images: int, batch_size: int, pieces: int) -> int:
    """The number of images in the smallest piece of an epoch; a piece without images repeats one, so it has 1."""
    last = images % batch_size or batch_size
    return max(1, min(last, batch_size) // pieces)


@torch.no_grad()
def lone_layer(backbone: BaseBackbone, image_size: int) -> str | None:
    """The name of the first batch normalisation that gets one value per channel of a single image, or None."""
    found: list[str] = []

    def look(name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == inputs[0].shape[1]:
            found.append(name)

    layers = [(name, layer) for name, layer in backbone.model.named_modules() if isinstance(layer, _BatchNorm)]
    handles = [layer.register_forward_pre_hook(partial(look, name)) for name, layer in layers]
    backbone.shape(image_size)
    for handle in handles:
        handle.remove()
    return found[0] if found else None
