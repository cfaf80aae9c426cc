"""A backbone with a readout: what is trained, evaluated and saved."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zsl.backbones.base import BaseBackbone
from zsl.readouts.readout import Readout


class ZeroShotModel(nn.Module):
    """Inputs and word vectors to logits; without a backbone the inputs are tokens.

    Args:
        backbone: images to tokens.
        readout: tokens and word vectors to logits.
        softmax: it was trained with the loss "softmax", so logits of different images are not comparable;
            `zsl.scoring.score` then gives log-probabilities.
    Attributes:
        rounded: the readout was trained on cached tokens, which are bfloat16, so the backbone's tokens are rounded too.
    """

    def __init__(self, backbone: BaseBackbone | None, readout: Readout, softmax: bool = False):
        super().__init__()
        self.backbone = backbone
        self.readout = readout
        self.softmax = softmax
        self.rounded = False

    def encode(self, inputs: Tensor) -> Float[Tensor, "batch token channel"]:
        """Tokens of a batch of images, or the tokens given."""
        tokens = inputs if self.backbone is None else self.backbone(inputs)
        if self.backbone is not None and not self.rounded:
            return tokens
        # cached tokens are bfloat16; without autocast the readout needs its own type
        own = next(self.readout.parameters()).dtype
        return tokens.to(torch.bfloat16).to(own) if self.rounded else tokens.to(own)

    def forward(self, inputs: Tensor, vectors: Tensor | None) -> Float[Tensor, "batch label"]:
        return self.readout(self.encode(inputs), vectors)
