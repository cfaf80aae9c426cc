"""A decoder with a vocabulary: features to logits, and where its queries looked."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zsl.readouts.decoder_layer import weights_of
from zsl.readouts.grouping import Places
from zsl.readouts.looks import Look
from zsl.readouts.readout import Features, Logits, exact

if TYPE_CHECKING:
    from zsl.readouts.group_decoder import GroupDecoder


class BoundDecoder:
    """A `GroupDecoder` with a vocabulary: features to logits.

    Later changes of the decoder's layers take effect, those of its query and head parameters do not: bind again after
    an optimiser step.

    Args:
        decoder: the decoder.
        queries: (group, width), before the first layer.
        heads: (group, width, slot).
        bias: (1,), (group, 1) or (group, slot).
        places: (label,) the slot of each label, over all groups; or (grouping, label), to average over groupings.
        apart: in self-attention, each query attends to itself only.
    """

    def __init__(
        self,
        decoder: "GroupDecoder",
        queries: Float[Tensor, "group width"],
        heads: Float[Tensor, "group width slot"],
        bias: Tensor,
        places: Places,
        apart: bool = False,
    ):
        self.decoder, self.places, self.apart = decoder, places, apart
        # the first layer's self-attention does not depend on the image either
        self.queries, self.projected = decoder.begin(queries, apart)
        self.heads, self.bias = heads.to(bias.dtype), bias

    def __call__(self, features: Features) -> Logits:
        """Logits (batch, label) of features (batch, token, channel) or (batch, channel, height, width)."""
        hidden = self.decoder.decode(features, self.queries, self.projected, self.apart)
        with exact(hidden):
            hidden = hidden.to(self.heads.dtype)
            if self.decoder.log_scale is not None:
                hidden = F.normalize(hidden, dim=-1)
            logits = torch.einsum("bkd,kdg->bkg", hidden, self.heads) + self.bias
        found = logits.flatten(1)[:, self.places]
        return found.mean(1) if found.ndim == 3 else found

    def looked(self, features: Features, look: Look) -> Float[Tensor, "batch group token"]:
        """Where the query of each group looked: the mean of attention over heads and layers, or the evidence.

        The evidence of a token is its attention times the slope of the group's logits in this attention, summed over
        heads and layers: to first order, what the logits would lose without the token. Chefer et al. 2021, "Generic
        Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers".

        Args:
            features: same as for a call.
            look: which of the two; evidence needs queries that do not attend to each other.
        """
        layers = [self.decoder, *self.decoder.later]
        with torch.set_grad_enabled(look == "evidence"), weights_of([layer.attention for layer in layers]) as weights:
            logits = self(features)
        if look == "attention":
            return torch.stack(weights).mean((0, 2))
        # no logit depends on another group's query, so the slope of the sum is that of each group's own logits
        slopes = torch.autograd.grad(logits.sum(), weights)
        return (torch.stack(weights) * torch.stack(slopes)).sum((0, 2)).detach()
