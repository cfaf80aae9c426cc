"""The mean token in the space of word vectors: DeViSE's model."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.pooled import PooledConfig, pool, shares
from zsl.readouts.readout import (
    PRIOR_LOGIT,
    Features,
    Logits,
    Maps,
    Readout,
    Seen,
    Vectors,
    checked,
    cosine_scale,
    exact,
)
from zsl.readouts.residual import ResidualConfig


class GapTextConfig(PooledConfig, ResidualConfig):
    """`GapTextReadout`; `cosine` gives images and labels unit length there."""

    kind: Literal["gap-text"] = "gap-text"
    cosine: bool = False

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        trained = GapTextReadout(channels, embed_dim, self.cosine)
        return self.on_closed_form(trained, channels, embed_dim, num_labels)


class GapTextReadout(Readout):
    """The mean token, projected to the space of word vectors: `(W mean(x) + c) . n_i + b`.

    DeViSE's model (Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model"), trained with the loss of the
    run instead of DeViSE's hinge loss.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        cosine: the logit is `r cos(W mean(x) + c, n_i) + b`, with a learnt r.
    """

    looks = ("evidence",)
    reads_whole = True

    def __init__(self, channels: int, embed_dim: int, cosine: bool = False):
        super().__init__()
        self.embed_dim = embed_dim
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))
        self.log_scale = cosine_scale() if cosine else None

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        chosen = self._scaled(vectors)

        def logits(features: Tensor) -> Logits:
            with exact(features):
                projected = self.projection(pool(features, self.leading).to(self.bias.dtype))
                if self.log_scale is not None:
                    projected = F.normalize(projected, dim=1)
                return projected @ chosen.T + self.bias

        return logits

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        chosen = self._scaled(vectors)
        found = shares(features, self.projection.weight.T @ chosen.T, chosen @ self.projection.bias, self.leading)
        if self.log_scale is None:
            return found
        return found / self.projection(pool(features, self.leading).to(self.bias.dtype)).norm(dim=1)[:, None, None]

    def _scaled(self, vectors: Vectors | None) -> Tensor:
        """The word vectors (label, embed); those of cosines have length r."""
        chosen = checked(vectors, self.embed_dim).to(self.bias.dtype)
        return chosen if self.log_scale is None else F.normalize(chosen, dim=1) * self.log_scale.exp()
