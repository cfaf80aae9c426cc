"""Heads turn a decoded group into the logits of its labels: one head per group."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zsl.readouts.company import Seats
from zsl.readouts.decoder_layer import GroupedLayer
from zsl.readouts.readout import PRIOR_LOGIT, Vectors

Grouped = Float[Tensor, "group slot embed"]
Index = Int64[Tensor, " group"]
GroupWeights = Float[Tensor, "group width slot"]
LabelWeights = Float[Tensor, "label width"]


class Heads(ABC):
    """A kind of heads. Its parameters are attributes of the decoder, with the names that saved weights have."""

    reads_vectors: ClassVar[bool] = False  # they are made from word vectors
    by_group: ClassVar[bool] = False  # each trained group has parameters of its own

    def add_to(self, decoder: GroupedLayer) -> None:
        """Adds the parameters of the heads to a decoder; all labels share one bias, as unseen ones have none."""
        decoder.head_bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    @abstractmethod
    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupWeights:
        """The weights of some groups.

        Args:
            decoder: the decoder, which has their parameters.
            grouped: the word vectors of each group's labels; None if nothing reads them.
            index: (group,) the trained group whose parameters each group takes.
        Returns:
            (group, width, slot).
        """

    def bias_of(self, decoder: GroupedLayer, index: Index) -> Tensor:
        """The biases of some groups: (1,), or (group, slot)."""
        return decoder.head_bias

    @abstractmethod
    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> LabelWeights:
        """The weights of each label, which is asked by itself.

        Args:
            decoder: same as for `of`.
            vectors: (label, embed), word vectors of the labels.
            seats: where each of them is asked.
        Returns:
            (label, width).
        """

    def bias_of_each(self, decoder: GroupedLayer, seats: Seats) -> Tensor:
        """The biases of labels that are asked by themselves: (1,), or (label,)."""
        return decoder.head_bias


class TextHeads(Heads):
    """Eq. 6: `W_k = W_h M_k`, where M_k has the word vectors of group k as columns."""

    reads_vectors = True

    def add_to(self, decoder: GroupedLayer) -> None:
        assert decoder.embed_dim is not None
        decoder.head_projection = nn.Parameter(torch.empty(decoder.width, decoder.embed_dim))
        nn.init.xavier_normal_(decoder.head_projection)
        super().add_to(decoder)

    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupWeights:
        assert grouped is not None
        # W_h M_k first: it is shared by all images of the batch, and cheaper once the batch exceeds g
        return self._projected(decoder, grouped).transpose(1, 2)

    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> LabelWeights:
        return self._projected(decoder, vectors)

    def _projected(self, decoder: GroupedLayer, vectors: Tensor) -> Tensor:
        """`W_h n_i`; of cosines, with length r."""
        weights = vectors @ decoder.head_projection.T
        return weights if decoder.log_scale is None else F.normalize(weights, dim=-1) * decoder.log_scale.exp()


class LearnableHeads(Heads):
    """One trained (width, slot) matrix per group and one bias per label, as in closed-set ML-Decoder."""

    by_group = True

    def add_to(self, decoder: GroupedLayer) -> None:
        decoder.head_weight = nn.Parameter(torch.empty(decoder.num_groups, decoder.width, decoder.group_size))
        nn.init.xavier_normal_(decoder.head_weight)
        decoder.head_bias = nn.Parameter(torch.full((decoder.num_groups, decoder.group_size), PRIOR_LOGIT))

    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupWeights:
        return decoder.head_weight[index]

    def bias_of(self, decoder: GroupedLayer, index: Index) -> Tensor:
        return decoder.head_bias[index]

    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> LabelWeights:
        return decoder.head_weight[seats.group, :, seats.slot]

    def bias_of_each(self, decoder: GroupedLayer, seats: Seats) -> Tensor:
        return decoder.head_bias[seats.group, seats.slot]


class SharedHeads(Heads):
    """One trained (width, slot) matrix for all groups."""

    def add_to(self, decoder: GroupedLayer) -> None:
        decoder.head_weight = nn.Parameter(torch.empty(decoder.width, decoder.group_size))
        nn.init.xavier_normal_(decoder.head_weight)
        super().add_to(decoder)

    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupWeights:
        return decoder.head_weight.expand(len(index), -1, -1)

    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> LabelWeights:
        return decoder.head_weight[:, seats.slot].T


HEADS: dict[str, Heads] = {"text": TextHeads(), "learnable": LearnableHeads(), "shared": SharedHeads()}
if TYPE_CHECKING:
    HeadName = str
else:
    HeadName = Literal[tuple(HEADS)]
