"""ML-Decoder with its zero-shot group decoder (Ridnik et al. 2021, arXiv 2111.12933, Eq. 5 and 6).

Sizes: N labels, g labels per group, K = ceil(N / g) groups, d decoder width, e word-vector size.
The vocabulary is an argument of the forward pass; only g is fixed by construction. Parameters that belong to a
group index are reused modulo the number trained, so every variant can be evaluated on any vocabulary.
With self-attention and g = 1 it is the Transformer-decoder that ML-Decoder is compared with.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.bound_decoder import BoundDecoder
from zsl.readouts.company import Company, Seats, chosen_company, nearest, of_all, of_nearest
from zsl.readouts.decoder_layer import DecoderLayer, GroupedLayer
from zsl.readouts.grouping import SHUFFLED, Grouped, Grouping, LabelOrder, Places
from zsl.readouts.heads import HEADS, HeadName
from zsl.readouts.looks import Look
from zsl.readouts.queries import QUERIES, QueryName
from zsl.readouts.readout import Features, Maps, Readout, Seen, Vectors, cosine_scale, tokens_of
from zsl.readouts.residual import ResidualConfig

GROUPS = 100  # K of the paper


class QueryDecoderConfig(ResidualConfig):
    """What the configs of the decoders with queries share."""

    query: QueryName = "text"
    head: HeadName = "text"
    width: int = Field(768, ge=1)
    layers: int = Field(1, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    query_noise: float = Field(0.0, ge=0)
    cosine: bool = False
    sizes: ClassVar[tuple[str, ...]] = ("width", "ffn", "layers")
    opened_by: ClassVar[str] = "decoder.query = 'text' and a head that is not 'learnable'"

    @property
    def open_vocabulary(self) -> bool:
        """Whether no parameters belong to a group; otherwise random vectors would use those of groups of labels."""
        return not (QUERIES[self.query].by_group or HEADS[self.head].by_group)

    @property
    def reads_vectors(self) -> bool:
        """Whether queries or heads are made from word vectors."""
        return QUERIES[self.query].reads_vectors or HEADS[self.head].reads_vectors

    def count_parameters(self, channels: int, embed_dim: int, num_labels: int) -> int:
        """How many numbers the decoder learns; at most two layers are made, as later ones have the second's size."""
        if self.layers < 3:
            return super().count_parameters(channels, embed_dim, num_labels)
        fewer = (self.model_copy(update={"layers": number}) for number in (1, 2))
        one, two = (config.count_parameters(channels, embed_dim, num_labels) for config in fewer)
        return one + (self.layers - 1) * (two - one)


class MlDecoderConfig(QueryDecoderConfig):
    """`GroupDecoder`; give one of `group_size` and `num_groups` (default: 100 groups).

    `official_queries` gives the projection of text queries a bias and a ReLU, as in the official code; Eq. 5 has
    neither. `groupings` averages predictions over so many random groupings. `cosine` gives decoded queries and text
    heads unit length, with a learnt scale.
    """

    kind: Literal["ml-decoder"] = "ml-decoder"
    self_attention: bool = False
    group_size: int | None = Field(None, ge=1)
    num_groups: int | None = Field(None, ge=1)
    grouping: Grouping = "given"
    groupings: int = Field(1, ge=1)
    official_queries: bool = False

    @model_validator(mode="after")
    def _one_grouping(self) -> "MlDecoderConfig":
        if self.group_size is not None and self.num_groups is not None:
            both = f"{self.group_size} and {self.num_groups}"
            raise ValueError(f"give one of decoder.group_size and decoder.num_groups (got {both})")
        return self

    @property
    def companies(self) -> tuple[Company, ...]:
        """A closed set can only give a label the logit of a seen one; self-attention reads all groups of training."""
        if not self.reads_vectors:
            return ("anchored",)
        return ("alone",) if self.self_attention else ("anchored", "alone")

    def labels_per_group(self, num_labels: int) -> int:
        """g, the group size for a number of training labels.

        Raises:
            InputError: more groups than labels, or groups larger than the number of labels.
        """
        groups = min(GROUPS, num_labels) if self.num_groups is None else self.num_groups
        name, asked = ("num_groups", groups) if self.group_size is None else ("group_size", self.group_size)
        if not 1 <= asked <= num_labels:
            raise InputError(f"{name} = {asked} is not between 1 and the {num_labels} labels")
        return self.group_size or -(-num_labels // groups)

    def check_kinds(self) -> None:
        """Checks that the other keys fit the kinds of queries and heads.

        Raises:
            InputError: a key does not fit; the message begins with its name.
        """
        queries, heads = QUERIES[self.query], HEADS[self.head]
        if self.grouping != "given" and not (queries.reads_vectors and heads.reads_vectors):
            needed = "needs query and head 'text': other kinds have parameters for each group's place"
            raise InputError(f"grouping = {self.grouping!r} {needed}")
        if self.groupings > 1 and (self.grouping not in SHUFFLED or self.self_attention):
            needed = f"needs grouping = {' or '.join(map(repr, SHUFFLED))}, and no self-attention"
            raise InputError(f"groupings = {self.groupings} {needed}")
        if self.query_noise and not queries.reads_vectors:
            made_from = f"from which {self.query} queries are not made"
            raise InputError(f"query_noise = {self.query_noise} is added to word vectors, {made_from}")
        if self.official_queries and not queries.reads_vectors:
            raise InputError(f"official_queries are made from word vectors, and {self.query} queries are not")
        if self.cosine and not heads.reads_vectors:
            raise InputError(f"cosine is between images and word vectors: it needs head 'text', not {self.head!r}")

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        decoder = GroupDecoder(channels, embed_dim, num_labels, self)
        return self.on_closed_form(decoder, channels, embed_dim, num_labels)


class GroupDecoder(Readout, GroupedLayer):
    """Image tokens and word vectors in, logits out: `decoder(features, vectors)`.

    Parts: queries (`zsl.readouts.queries`, Eq. 5), one or more decoder layers, heads (`zsl.readouts.heads`, Eq. 6).
    The first layer's parts are attributes of the decoder; further layers are in `later`.

    Args:
        channels: size of an image token.
        embed_dim: e, size of a word vector; may be None if neither queries nor heads are made from word vectors.
        num_labels: N, the number of training labels; it fixes the group size and the number of group parameters.
        config: sizes and kinds of the parts. `group_size=1` is full decoding.
    Raises:
        InputError: sizes that cannot work together.
    """

    def __init__(
        self,
        channels: int,
        embed_dim: int | None,
        num_labels: int,
        config: MlDecoderConfig,
    ):
        group_size = config.labels_per_group(num_labels)
        config.check_kinds()
        if embed_dim is None and config.reads_vectors:
            raise InputError("a text query or head needs embed_dim, the size of a word vector")
        width, layer = config.width, (config.attention_heads, config.ffn, config.dropout, config.self_attention)
        # made before the layer, so that a seed gives the same initial weights as in earlier versions
        memory_projection = nn.Linear(channels, width)
        super().__init__(width, *layer)
        self.memory_projection = memory_projection
        self.query, self.head = config.query, config.head
        self.group_size, self.num_groups = group_size, -(-num_labels // group_size)
        self.num_labels, self.embed_dim, self.width = num_labels, embed_dim, width
        self.query_noise, self.official_queries = config.query_noise, config.official_queries
        self.log_scale = cosine_scale() if config.cosine else None
        self.order = LabelOrder(config.grouping, group_size, config.groupings)
        self.companies = config.companies
        # with self-attention, a query of a closed set reads those of all groups: it is not the label's own
        self.looks = ("evidence", "attention") if config.reads_vectors or not config.self_attention else ()
        QUERIES[self.query].add_to(self)
        HEADS[self.head].add_to(self)
        self.later = nn.ModuleList(DecoderLayer(width, *layer) for _ in range(config.layers - 1))

    def bind(self, vectors: Vectors | None) -> BoundDecoder:
        """Computes once what depends only on the vocabulary; the result maps features to the same logits.

        Args:
            vectors: (label, embed) of any number of labels; None means the labels of training, and is only allowed if
                neither query nor head is "text".
        Returns:
            a function from features to logits (batch, label).
        Raises:
            InputError: vectors of another size than `embed_dim`, or None where a text query or head needs them.
        """
        grouped, places = self._grouped(vectors)
        groups = self.num_groups if grouped is None else len(grouped)
        index = torch.arange(groups, device=self.head_bias.device) % self.num_groups
        heads = HEADS[self.head]
        return BoundDecoder(
            self,
            QUERIES[self.query].of(self, grouped, index),
            heads.of(self, grouped, index),
            heads.bias_of(self, index),
            places,
        )

    def bind_each(
        self,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        without: Int64[Tensor, " label"] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """Binds each label by itself, with a query of its own: "anchored" or "alone".

        A label that is alone is in slot 0 of the first group, as in a vocabulary of only this label. With
        self-attention, its query then attends to itself only. If neither queries nor heads read word vectors, an
        anchored label has the logit of its nearest seen label.

        Raises:
            InputError: same as for `Readout.bind_each`; trained vectors of another number of labels.
        """
        chosen = self._chosen(company)
        self._check(vectors)
        if not self._reads_vectors:
            return of_nearest(self.bind(None), nearest(vectors, of_all(trained, self.num_labels), without))
        seats = self._alone(vectors) if chosen == "alone" else self._anchored(vectors, trained, without)
        return self._seated(vectors, seats)

    def _seated(self, vectors: Vectors, seats: Seats) -> BoundDecoder:
        """Each label with a query of its own."""
        queries, heads = QUERIES[self.query], HEADS[self.head]
        bias = heads.bias_of_each(self, seats)[:, None]
        weights = heads.of_each(self, vectors, seats)[..., None]
        return BoundDecoder(self, queries.of_each(self, vectors, seats), weights, bias, slice(None), apart=True)

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """`BoundDecoder.looked`. A label of a closed set has the maps of its nearest seen label."""
        with torch.inference_mode(False):  # tensors of inference have no gradients, but copies of them do
            features, vectors = features.clone(), vectors.clone()
            if trained is not None and trained.is_inference():  # others stay themselves, so that their order is known
                trained = trained.clone()
            alone = self._chosen(company) == "alone"
            seats = self._alone(vectors) if alone else self._anchored(vectors, trained, None)
            return self._seated(vectors, seats).looked(features, look)

    def _chosen(self, company: Company | None) -> Company | None:
        attention = "" if self.self_attention is None else " and self-attention"
        return chosen_company(company, self.companies, f"{self.query!r} query with {self.head!r} head{attention}")

    def _alone(self, vectors: Vectors) -> Seats:
        first = torch.zeros(vectors.shape[0], dtype=torch.int64, device=vectors.device)
        return Seats(vectors.new_zeros(1, self.group_size, vectors.shape[1]), first, first, first)

    def _anchored(self, vectors: Vectors, trained: Seen | None, without: Int64[Tensor, " label"] | None) -> Seats:
        seen = of_all(trained, self.num_labels)
        self._check(seen)
        order = self.order.of(seen, self.training)
        grouped = self.order.by_group(seen, order)
        places = torch.arange(len(seen), device=seen.device) if order is None else order.argsort()
        chosen = places[nearest(vectors, seen, without)]
        group, slot, emptied = chosen // self.group_size, chosen % self.group_size, chosen % self.group_size
        if without is not None:
            own = places[without]
            emptied = torch.where(own // self.group_size == group, own % self.group_size, slot)
        return Seats(grouped, group, slot, emptied)

    def _grouped(self, vectors: Vectors | None) -> tuple[Grouped | None, Places]:
        if vectors is not None:
            self._check(vectors)
            return self.order.grouped(vectors, self.training)
        if self._reads_vectors:
            raise InputError(f"query {self.query!r} with head {self.head!r} needs word vectors")
        return None, slice(self.num_labels)

    @property
    def _reads_vectors(self) -> bool:
        return QUERIES[self.query].reads_vectors or HEADS[self.head].reads_vectors

    def _check(self, vectors: Vectors) -> None:
        if vectors.ndim != 2 or not vectors.shape[0]:
            raise InputError(f"vectors must be (label, embed), got shape {tuple(vectors.shape)}")
        if self.embed_dim is not None and vectors.shape[1] != self.embed_dim:
            raise InputError(f"vectors of size {vectors.shape[1]}, but the decoder was made for {self.embed_dim}")

    def decode(
        self, features: Features, queries: Tensor, projected: Tensor, apart: bool
    ) -> Float[Tensor, "batch group width"]:
        """The decoded queries, from what `begin` gives; `BoundDecoder` says what `apart` is."""
        memory = self.memory_projection(tokens_of(features)).relu()
        hidden = self.read(queries, projected, memory)
        for layer in self.later:
            assert isinstance(layer, DecoderLayer)
            hidden = layer.read(*layer.begin(hidden, apart), memory)
        return hidden
