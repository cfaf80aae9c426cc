"""What turns image tokens and word vectors into logits."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

Features = Float[Tensor, "batch token channel"] | Float[Tensor, "batch channel row column"]
Vectors = Float[Tensor, "label embed"]
Logits = Float[Tensor, "batch label"]

PRIOR_LOGIT = -4.0  # few of many labels are in an image: starting there saves the first epochs from learning just that


class Readout(nn.Module, ABC):
    """Tokens and word vectors to logits; the vocabulary is an argument, of any length."""

    @abstractmethod
    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Computes once what depends on the vocabulary alone; the result maps features to the logits of `forward`."""

    def forward(self, features: Features, vectors: Vectors | None) -> Logits:
        """Logits (batch, label) of the labels whose word vectors (label, embed) are given."""
        return self.bind(vectors)(features)

    def remember(self, vectors: Vectors | None) -> None:
        """Is told the training labels' vectors before training; most readouts keep nothing of them."""


def pool(features: Features) -> Float[Tensor, "batch channel"]:
    """Global average pooling, in float32: the mean of an image's tokens."""
    tokens = features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
    return tokens.float().mean(1)


def exact(tensor: Tensor) -> AbstractContextManager[object]:
    """The context of final logits: in half precision a few hundred distinct values would tie images that differ."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


class MaxPooledReadout(Readout):
    """The plainest text readout: a label's logit is its best token's `(W x_t) . n_i + b`.

    Backbones are trained on seen labels with it; it shows what their tokens hold without a decoder.
    """

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """The readout with its vocabulary, which it cannot do without."""
        if vectors is None:
            raise ValueError("a text readout needs word vectors")

        def logits(features: Tensor) -> Tensor:
            projected = self.projection(features)
            return ((projected @ vectors.T.to(projected.dtype)).amax(1) + self.bias).to(self.bias.dtype)

        return logits
