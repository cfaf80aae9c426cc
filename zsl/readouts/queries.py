"""Queries of the decoder to an image: one per group of labels."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.company import Seats
from zsl.readouts.decoder_layer import GroupedLayer

Grouped = Float[Tensor, "group slot embed"]
Index = Int64[Tensor, " group"]
GroupQueries = Float[Tensor, "group width"]
Vectors = Float[Tensor, "label embed"]


class Queries(ABC):
    """A kind of queries. Its parameters are attributes of the decoder, with the names that saved weights have."""

    reads_vectors: ClassVar[bool] = False  # they are made from word vectors
    by_group: ClassVar[bool] = False  # each trained group has parameters of its own

    @abstractmethod
    def add_to(self, decoder: GroupedLayer) -> None:
        """Adds the parameters of the queries to a decoder.

        Raises:
            InputError: sizes that cannot work together.
        """

    @abstractmethod
    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupQueries:
        """The queries of some groups.

        Args:
            decoder: the decoder, which has their parameters.
            grouped: the word vectors of each group's labels; None if nothing reads them.
            index: (group,) the trained group whose parameters each group takes.
        Returns:
            (group, width).
        """

    @abstractmethod
    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> Float[Tensor, "label width"]:
        """The query of each label, which is asked by itself.

        Args:
            decoder: same as for `of`.
            vectors: (label, embed), word vectors of the labels.
            seats: where each of them is asked.
        Returns:
            (label, width).
        """


class TextQueries(Queries):
    """Eq. 5: `q_k = concat(W_q n_i)` over the labels of group k."""

    reads_vectors = True

    def add_to(self, decoder: GroupedLayer) -> None:
        slot_width = decoder.width // decoder.group_size
        if not slot_width or decoder.embed_dim is None:
            raise InputError(f"width = {decoder.width} is less than the {decoder.group_size} labels of a group")
        decoder.query_projection = nn.Linear(decoder.embed_dim, slot_width, bias=decoder.official_queries)

    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupQueries:
        assert grouped is not None
        if decoder.training and decoder.query_noise:
            grouped = grouped + decoder.query_noise * grouped.std() * torch.randn_like(grouped)
        slots = self._projected(decoder, grouped)
        return F.pad(slots.flatten(1), (0, decoder.width - decoder.group_size * slots.shape[-1]))

    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> Float[Tensor, "label width"]:
        trained = torch.arange(len(seats.groups), device=seats.group.device)
        queries = self.of(decoder, seats.groups, trained)[seats.group]
        for slot, held in ((seats.emptied, torch.zeros_like(vectors)), (seats.slot, vectors)):
            projected = self._projected(decoder, held)
            columns = torch.arange(projected.shape[-1], device=slot.device)
            queries = queries.scatter(1, slot[:, None] * len(columns) + columns, projected)
        return queries

    def _projected(self, decoder: GroupedLayer, vectors: Tensor) -> Tensor:
        projected = decoder.query_projection(vectors)
        return projected.relu() if decoder.official_queries else projected


class LearnableQueries(Queries):
    """One trained query per group, as in closed-set ML-Decoder."""

    by_group = True

    def add_to(self, decoder: GroupedLayer) -> None:
        decoder.queries = nn.Parameter(torch.randn(decoder.num_groups, decoder.width))

    def of(self, decoder: GroupedLayer, grouped: Grouped | None, index: Index) -> GroupQueries:
        return decoder.queries[index]

    def of_each(self, decoder: GroupedLayer, vectors: Vectors, seats: Seats) -> Float[Tensor, "label width"]:
        return decoder.queries[seats.group]


class RandomQueries(LearnableQueries):
    """One fixed random query per group; it is saved with the weights and never trained."""

    def add_to(self, decoder: GroupedLayer) -> None:
        decoder.register_buffer("queries", torch.randn(decoder.num_groups, decoder.width))


QUERIES: dict[str, Queries] = {"text": TextQueries(), "learnable": LearnableQueries(), "random": RandomQueries()}
if TYPE_CHECKING:
    QueryName = str
else:
    QueryName = Literal[tuple(QUERIES)]
