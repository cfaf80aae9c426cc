"""A module of the user's own as a backbone."""

from typing import Literal

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone


class OwnBackbone(BaseBackbone):
    """Any module from images to tokens or maps.

    >>> import torch
    >>> backbone = OwnBackbone(torch.nn.Conv2d(3, 16, kernel_size=8, stride=8), mode="tuned")
    >>> backbone(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape  # (batch, token, channel)
    torch.Size([2, 16, 16])

    Args:
        module: takes images (batch, 3, height, width), float32 in [0, 1], and gives tokens (batch, token, channel) or
            maps (batch, channel, row, column). If it needs normalised pixels, put
            `torchvision.transforms.v2.Normalize` before it.
        mode: "frozen" trains a readout on the module's tokens; "tuned" trains the module too.
        cached: a frozen module reads each image once, and its tokens are kept in memory; otherwise it reads every image
            in every epoch.
    """

    remedy = "return tokens (batch, token, channel) or maps (batch, channel, row, column)"

    def __init__(self, module: nn.Module, mode: Literal["frozen", "tuned"] = "frozen", cached: bool = True):
        super().__init__()
        self.model = module
        self.mode, self.cached = mode, cached
        self.name = f"{type(module).__module__}.{type(module).__qualname__}"

    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]:
        output = self.model(images.float() / 255)
        return output.flatten(2).transpose(1, 2) if output.ndim == 4 else output

    def grid_of(self, images: UInt8[Tensor, "batch 3 height width"]) -> tuple[int, int]:
        output = self.model(images.float() / 255)
        if output.ndim != 4:
            raise InputError(
                f"backbone {self.name!r} returns tokens, whose places are not known; for heat maps return maps "
                "(batch, channel, row, column)"
            )
        return output.shape[2], output.shape[3]

    def fault(self, images: Tensor) -> str | None:
        """The type or the shape of an output that is neither tokens nor maps; None if it is one of them."""
        output = self.model(images.float() / 255)
        if not isinstance(output, Tensor):
            return f"an object of type {type(output).__name__}"
        return None if output.ndim in (3, 4) else f"a tensor of shape {tuple(output.shape)}"
