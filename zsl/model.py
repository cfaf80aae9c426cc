"""A backbone with a readout: what is trained, evaluated and saved."""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zsl.backbone import Backbone
from zsl.decoder import PRIOR_LOGIT


class Readout(Protocol):
    """Tokens (batch, token, channel) and word vectors (label, embed) to logits (batch, label).

    `bind` does once what depends on the vocabulary alone. `GroupDecoder` is one; others follow the same interface.
    """

    def __call__(self, features: Tensor, vectors: Tensor | None) -> Tensor: ...

    def bind(self, vectors: Tensor | None) -> Callable[[Tensor], Tensor]: ...


class ZeroShotModel(nn.Module):
    """Inputs and word vectors to logits; without a backbone the inputs are tokens."""

    def __init__(self, backbone: Backbone | None, readout: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.readout = readout

    def encode(self, inputs: Tensor) -> Float[Tensor, "batch token channel"]:
        """Tokens of a batch of images, or the tokens given."""
        return inputs if self.backbone is None else self.backbone(inputs)

    def forward(self, inputs: Tensor, vectors: Tensor | None) -> Float[Tensor, "batch label"]:
        return self.readout(self.encode(inputs), vectors)


class MaxPooledReadout(nn.Module):
    """The plainest text readout: a label's logit is its best token's `(W x_t) . n_i + b`.

    Backbones are trained on seen labels with it; it shows what their tokens hold without a decoder.
    """

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Tensor | None) -> Callable[[Tensor], Tensor]:
        """The readout with its vocabulary."""
        return lambda features: self(features, vectors)

    def forward(self, features: Tensor, vectors: Tensor | None) -> Float[Tensor, "batch label"]:
        if vectors is None:
            raise ValueError("a text readout needs word vectors")
        projected = self.projection(features)
        return (projected @ vectors.T.to(projected.dtype) + self.bias).amax(1)
