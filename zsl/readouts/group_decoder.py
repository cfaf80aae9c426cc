"""ML-Decoder with its zero-shot group decoder (Ridnik et al. 2021, arXiv 2111.12933, Eq. 5 and 6).

Sizes: N labels, g labels per group, K = ceil(N / g) groups, d decoder width, e word-vector size.
The vocabulary is an argument of the forward pass; only g is fixed by construction. Parameters that belong to a
group index are reused modulo the number trained, so every variant can be evaluated on any vocabulary.
With self-attention and g = 1 it is the Transformer-decoder that ML-Decoder is compared with.
"""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.decoder_layer import DecoderLayer
from zsl.readouts.grouping import GROUPINGS, Grouping, LabelOrder
from zsl.readouts.readout import PRIOR_LOGIT, Features, Logits, Readout, ReadoutConfig, Vectors, exact

QUERIES = ("text", "learnable", "random")
HEADS = ("text", "learnable", "shared")
GROUPS = 100  # K of the paper


class QueryDecoderConfig(ReadoutConfig):
    """What the configs of the decoders with queries share."""

    query: Literal["text", "learnable", "random"] = "text"
    head: Literal["text", "learnable", "shared"] = "text"
    width: int = Field(768, ge=1)
    layers: int = Field(1, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    query_noise: float = Field(0.0, ge=0)
    sizes: ClassVar[tuple[str, ...]] = ("width", "ffn", "layers")
    opened_by: ClassVar[str] = "decoder.query = 'text' and a head that is not 'learnable'"

    @property
    def open_vocabulary(self) -> bool:
        """Whether no parameters belong to a group: random vectors would take those of groups of labels."""
        return self.query == "text" and self.head != "learnable"

    @property
    def reads_vectors(self) -> bool:
        """Whether queries or heads are made from word vectors."""
        return "text" in (self.query, self.head)

    def count_parameters(self, channels: int, embed_dim: int, num_labels: int) -> int:
        """How many numbers the decoder learns; of many layers two are made, as the others are like the second."""
        if self.layers < 3:
            return super().count_parameters(channels, embed_dim, num_labels)
        fewer = (self.model_copy(update={"layers": number}) for number in (1, 2))
        one, two = (config.count_parameters(channels, embed_dim, num_labels) for config in fewer)
        return one + (self.layers - 1) * (two - one)


class MlDecoderConfig(QueryDecoderConfig):
    """`GroupDecoder`; give one of `group_size` and `num_groups` (default: 100 groups)."""

    kind: Literal["ml-decoder"] = "ml-decoder"
    self_attention: bool = False
    group_size: int | None = Field(None, ge=1)
    num_groups: int | None = Field(None, ge=1)
    grouping: Grouping = "given"

    @model_validator(mode="after")
    def _one_grouping(self) -> "MlDecoderConfig":
        if self.group_size is not None and self.num_groups is not None:
            both = f"{self.group_size} and {self.num_groups}"
            raise ValueError(f"give one of decoder.group_size and decoder.num_groups (got {both})")
        return self

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        options = self.model_dump(exclude={"kind"})
        if self.group_size is None and self.num_groups is None:
            options["num_groups"] = min(GROUPS, num_labels)
        return GroupDecoder(channels, embed_dim, num_labels, **options)


def _one_of(kind: str, name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise InputError(f"unknown {kind} {name!r}; known: {sorted(known)}")
    return name


class GroupDecoder(Readout, DecoderLayer):
    """Image tokens and word vectors in, logits out: `decoder(features, vectors)`.

    Args:
        channels: size of an image token.
        embed_dim: e, size of a word vector; may be None where neither query nor head is "text".
        num_labels: N of training, which fixes the group size and the number of group parameters.
        width: d.
        num_groups: K, or
        group_size: g; one of the two. `group_size=1` is full decoding.
        query: "text" (Eq. 5), "learnable", or "random" (fixed).
        head: "text" (Eq. 6), "learnable" (one (d, g) matrix a group, as in closed-set ML-Decoder), or "shared"
            ((d, g), one for all groups).
        grouping: which labels share a group, see `zsl.readouts.grouping.LabelOrder`; other than "given" for text
            queries and heads alone, which know nothing of a group but its labels.
        layers: stacked decoder layers. The first one's parts are the decoder's own, the others are in `later`.
        self_attention: of queries to each other, in every layer; a label's logit then depends on the labels beside it.
        attention_heads, ffn, dropout: of a decoder layer; the paper's are 8, 2048 and 0.1.
        query_noise: standard deviation of Gaussian noise on the word vectors that make queries, as a share of theirs;
            in training alone (appendix J's "additive noise").
        query_bias, query_relu: bias and ReLU of the query projection: not in Eq. 5, but in the official code.
    Raises:
        InputError: an unknown query or head, sizes that cannot work together.
    """

    def __init__(
        self,
        channels: int,
        embed_dim: int | None,
        num_labels: int,
        width: int = 768,
        num_groups: int | None = None,
        group_size: int | None = None,
        query: str = "text",
        head: str = "text",
        grouping: str = "given",
        layers: int = 1,
        self_attention: bool = False,
        attention_heads: int = 8,
        ffn: int = 2048,
        dropout: float = 0.1,
        query_noise: float = 0.0,
        query_bias: bool = False,
        query_relu: bool = False,
    ):
        query, head = _one_of("query", query, QUERIES), _one_of("head", head, HEADS)
        if (num_groups is None) == (group_size is None):
            raise InputError("give one of num_groups and group_size")
        name, requested = ("num_groups", num_groups) if group_size is None else ("group_size", group_size)
        if requested is None or not 1 <= requested <= num_labels:
            raise InputError(f"{name} = {requested} is not between 1 and the {num_labels} labels")
        if _one_of("grouping", grouping, GROUPINGS) != "given" and (query, head) != ("text", "text"):
            raise InputError(f"grouping = {grouping!r} needs query and head 'text': others belong to a group's place")
        if query_noise and query != "text":
            raise InputError(f"query_noise = {query_noise} is on word vectors, which {query} queries are not made of")
        if embed_dim is None and "text" in (query, head):
            raise InputError("a text query or head needs embed_dim, the size of a word vector")
        if layers < 1:
            raise InputError(f"layers = {layers} is less than 1")

        memory_projection = nn.Linear(channels, width)  # drawn before the layer's weights, as it was from the start
        super().__init__(width, attention_heads, ffn, dropout, self_attention)
        self.memory_projection = memory_projection
        self.query, self.head = query, head
        self.group_size = group_size or -(-num_labels // requested)
        self.num_groups = -(-num_labels // self.group_size)
        self.num_labels, self.embed_dim, self.width = num_labels, embed_dim, width
        self.query_relu, self.query_noise = query_relu, query_noise
        self.order = LabelOrder(grouping, self.group_size)
        self._make_queries(query_bias)
        self._make_head()
        self.later = nn.ModuleList(
            DecoderLayer(width, attention_heads, ffn, dropout, self_attention) for _ in range(layers - 1)
        )

    def _make_queries(self, bias: bool) -> None:
        if self.query == "text":
            slot_width = self.width // self.group_size
            if not slot_width or self.embed_dim is None:
                raise InputError(f"width = {self.width} is less than the {self.group_size} labels of a group")
            self.query_projection = nn.Linear(self.embed_dim, slot_width, bias=bias)
        elif self.query == "learnable":
            self.queries = nn.Parameter(torch.randn(self.num_groups, self.width))
        else:
            self.register_buffer("queries", torch.randn(self.num_groups, self.width))

    def _make_head(self) -> None:
        if self.head == "text":
            assert self.embed_dim is not None
            self.head_projection = nn.Parameter(torch.empty(self.width, self.embed_dim))
            nn.init.xavier_normal_(self.head_projection)
        else:
            groups = (self.num_groups,) if self.head == "learnable" else ()
            self.head_weight = nn.Parameter(torch.empty(*groups, self.width, self.group_size))
            nn.init.xavier_normal_(self.head_weight)
        # an unseen label has no bias of its own; the closed-set head has one a label
        biases = (self.num_groups, self.group_size) if self.head == "learnable" else (1,)
        self.head_bias = nn.Parameter(torch.full(biases, PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> "BoundDecoder":
        """Computes all that depends on the vocabulary alone; the result maps features to the same logits.

        Args:
            vectors: (label, embed) of any number of labels; None, where neither query nor head is text, means the
                labels of training.
        Raises:
            InputError: vectors of another size than `embed_dim`, or None where a text query or head needs them.
        """
        return BoundDecoder(self, vectors)

    def _grouped(self, vectors: Vectors | None) -> tuple[int, Float[Tensor, "group slot embed"] | None, Tensor | None]:
        """The number of labels, their vectors by group, the last group padded with zeros, and the order of labels."""
        if vectors is None:
            if "text" in (self.query, self.head):
                raise InputError(f"query {self.query!r} with head {self.head!r} needs word vectors")
            return self.num_labels, None, None
        if vectors.ndim != 2 or not len(vectors):
            raise InputError(f"vectors must be (label, embed), got shape {tuple(vectors.shape)}")
        if self.embed_dim is not None and vectors.shape[1] != self.embed_dim:
            raise InputError(f"vectors of size {vectors.shape[1]}, but the decoder was made for {self.embed_dim}")
        order = self.order.of(vectors, self.training)
        padded = F.pad(vectors if order is None else vectors[order], (0, 0, 0, -len(vectors) % self.group_size))
        return len(vectors), padded.unflatten(0, (-1, self.group_size)), order

    def _group_queries(self, grouped: Tensor | None, index: Tensor) -> Float[Tensor, "group width"]:
        if self.query != "text":
            return self.queries[index]
        assert grouped is not None
        if self.training and self.query_noise:
            grouped = grouped + self.query_noise * grouped.std() * torch.randn_like(grouped)
        slots = self.query_projection(grouped)
        queries = F.pad(slots.flatten(1), (0, self.width - self.group_size * slots.shape[-1]))
        return queries.relu() if self.query_relu else queries

    def _group_heads(self, grouped: Tensor | None, index: Tensor) -> Float[Tensor, "group width slot"]:
        if self.head == "text":
            assert grouped is not None
            # W_h M_k first: it is shared by all images of the batch, and cheaper once the batch exceeds g
            return (grouped @ self.head_projection.T).transpose(1, 2)
        return self.head_weight[index] if self.head == "learnable" else self.head_weight.expand(len(index), -1, -1)

    def _decode(self, features: Features, queries: Tensor, projected: Tensor) -> Float[Tensor, "batch group width"]:
        tokens = features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
        memory = self.memory_projection(tokens).relu()
        hidden = self.read(queries, projected, memory)
        for layer in self.later:
            assert isinstance(layer, DecoderLayer)
            hidden = layer.read(*layer.begin(hidden), memory)
        return hidden


class BoundDecoder:
    """A `GroupDecoder` with a vocabulary: features to logits. It sees later changes of the decoder's layer, not of
    its query and head parameters; bind again after an optimiser step."""

    def __init__(self, decoder: GroupDecoder, vectors: Vectors | None):
        self.decoder = decoder
        self.num_labels, grouped, order = decoder._grouped(vectors)
        self.places = None if order is None else order.argsort()  # of the labels, among the slots
        num_groups = -(-self.num_labels // decoder.group_size)
        index = torch.arange(num_groups, device=decoder.head_bias.device) % decoder.num_groups
        # of no image: the first layer's self-attention too
        self.queries, self.projected = decoder.begin(decoder._group_queries(grouped, index))
        self.bias = decoder.head_bias[index] if decoder.head == "learnable" else decoder.head_bias
        self.heads = decoder._group_heads(grouped, index).to(self.bias.dtype)

    def __call__(self, features: Features) -> Logits:
        """Logits (batch, label) of features (batch, token, channel) or (batch, channel, height, width)."""
        hidden = self.decoder._decode(features, self.queries, self.projected)
        with exact(hidden):
            logits = torch.einsum("bkd,kdg->bkg", hidden.to(self.heads.dtype), self.heads) + self.bias
        by_slot = logits.flatten(1)[:, : self.num_labels]
        return by_slot if self.places is None else by_slot[:, self.places]
