"""The mean token in the space of word vectors: DeViSE's model."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from zsl.readouts.pooled import PooledConfig, pool
from zsl.readouts.readout import PRIOR_LOGIT, Logits, Readout, Vectors, checked, exact


class GapTextConfig(PooledConfig):
    """`GapTextReadout`."""

    kind: Literal["gap-text"] = "gap-text"

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return GapTextReadout(channels, embed_dim)


class GapTextReadout(Readout):
    """The mean token, projected to the space of word vectors: `(W mean(x) + c) . n_i + b`.

    DeViSE's model (Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model"), trained with the loss of the
    run instead of DeViSE's hinge loss.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
    """

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.embed_dim = embed_dim
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        chosen = checked(vectors, self.embed_dim)

        def logits(features: Tensor) -> Logits:
            with exact(features):
                projected = self.projection(pool(features).to(self.bias.dtype))
                return projected @ chosen.T.to(projected.dtype) + self.bias

        return logits
