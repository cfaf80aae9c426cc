"""The readout with which backbones are trained: a label's logit is its best token's."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.readout import PRIOR_LOGIT, Features, Logits, Maps, Readout, Seen, Vectors, tokens_of


class MaxPooledReadout(Readout):
    """The simplest text readout: a label's logit is that of its best token, `max_t (W x_t) . n_i + b`.

    Backbones are pretrained on seen labels with it; it shows what their tokens can do without a decoder. The evidence
    of a token is the logit that it would give alone, without the bias: the largest counts.
    """

    looks = ("evidence",)

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors."""
        if vectors is None:
            raise ValueError("a text readout needs word vectors")

        def logits(features: Features) -> Logits:
            return (self._by_token(features, vectors).amax(1) + self.bias).to(self.bias.dtype)

        return logits

    def _by_token(self, features: Features, vectors: Tensor) -> Float[Tensor, "batch token label"]:
        projected: Tensor = self.projection(tokens_of(features))
        return projected @ vectors.T.to(projected.dtype)

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        return self._by_token(features, vectors).transpose(1, 2)
