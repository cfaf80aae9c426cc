"""The mean token in the space of word vectors: DeViSE's model."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.pooled import PooledConfig, pool, shares
from zsl.readouts.readout import PRIOR_LOGIT, Features, Logits, Maps, Readout, Seen, Vectors, checked, exact


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

    looks = ("evidence",)

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

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        vectors = checked(vectors, self.embed_dim).to(self.bias.dtype)
        return shares(features, self.projection.weight.T @ vectors.T, vectors @ self.projection.bias)
