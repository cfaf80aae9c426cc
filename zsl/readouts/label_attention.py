"""Label attention: every label attends to the tokens by itself; the feed-forward runs on tokens, not on labels."""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.company import Company
from zsl.readouts.decoder_layer import Attention, weights_of
from zsl.readouts.looks import Look
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
    tokens_of,
)
from zsl.readouts.residual import ResidualConfig

Asked = Float[Tensor, "head label slice"]
Answers = Float[Tensor, "head answered slice"]
Read = Callable[[Features], tuple[Float[Tensor, "batch head token slice"], Float[Tensor, "batch head token slice"]]]


class LabelAttentionConfig(ResidualConfig):
    """`LabelAttentionReadout`.

    Args:
        width: of tokens, queries and answers, over all heads of attention.
        attention_heads, ffn, dropout: same as for a decoder layer.
        queries: Q, learnt queries that read the image once for all labels, which then attend to what these have read;
            0 lets labels attend to the image's tokens.
        weighting: how labels weigh tokens.
        answers: A, answers of each label.
        combined: how the logits of a label's answers become one.
        cosine: whether answers and values have unit length, with a learnt scale.
    """

    kind: Literal["label-attention"] = "label-attention"
    width: int = Field(768, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    queries: int = Field(0, ge=0)
    weighting: Literal["softmax", "sigmoid"] = "softmax"
    answers: int = Field(1, ge=1)
    combined: Literal["max", "logsumexp"] = "max"
    cosine: bool = False
    sizes: ClassVar[tuple[str, ...]] = ("width", "ffn", "queries", "answers")

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return self.on_closed_form(LabelAttentionReadout(channels, embed_dim, self), channels, embed_dim, num_labels)


class LabelAttentionReadout(Readout):
    """Label attention: each label's word vector makes a query and an answer. It is not in the paper.

    `m = relu(W_m x + c)`, `m = LN(m + FFN(m))`; for every attention head, `a_it = softmax_t(q_i . k_t / sqrt(s))` with
    `q_i = W_q n_i`, `k_t = W_k m_t`, s its width; the logit is `b + sum_t a_it (u_i . v_t)` over tokens and heads, with
    `u_i = W_u n_i`, `v_t = W_v m_t`. That is `u_i` times the attention's output, whose (label, width) values are never
    computed. No projection, norm or feed-forward runs on labels, so full decoding costs as much as a few groups.

    Variants, each by a key of the config:

    - `queries` = Q: learnt queries p_1 to p_Q read the image, `m = LN(MHA(p, m, m))`, before the feed-forward; labels
      attend to these Q instead of the tokens. A label costs 2 Q products of the width, for any number of tokens. Unlike
      in a decoder layer, the queries are not added to what they read: it would be small beside them at first.
    - `weighting = "sigmoid"`: `a_it = sigmoid(q_i . k_t / sqrt(s) - log T)` for T tokens, which sums to about 1 at
      first; a label may count several tokens, or none (Ramapuram et al. 2024, "Theory, Analysis, and Best Practices for
      Sigmoid Self-Attention").
    - `answers` = A: A matrices W_u give a label A logits, of which the largest is taken, or the logarithm of the sum of
      their exponentials.
    - `cosine`: `r cos(u_i, v_t)` in place of `u_i . v_t`, over the whole width, with a learnt r.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        config: sizes and variants.
    Raises:
        InputError: the width is not a multiple of the number of heads.
    """

    looks = ("evidence", "attention")

    def __init__(self, channels: int, embed_dim: int, config: LabelAttentionConfig):
        super().__init__()
        width, heads, ffn = config.width, config.attention_heads, config.ffn
        if width % heads:
            raise InputError(f"attention_heads = {heads} does not divide width = {width}")
        self.embed_dim, self.heads, self.dropout = embed_dim, heads, config.dropout
        self.weighting, self.answers, self.combined = config.weighting, config.answers, config.combined
        self.memory_projection = nn.Linear(channels, width)
        self.reader: Attention | None = None
        if config.queries:
            self.queries = nn.Parameter(torch.randn(config.queries, width))
            self.reader, self.reader_norm = Attention(width, heads, config.dropout), nn.LayerNorm(width)
        self.ffn_in, self.ffn_out = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.norm = nn.LayerNorm(width)
        self.key_value_projection = nn.Linear(width, 2 * width)
        self.query_projection = nn.Linear(embed_dim, width, bias=False)
        self.answer_projection = nn.Linear(embed_dim, config.answers * width, bias=False)
        for answer in self.answer_projection.weight.chunk(config.answers):
            nn.init.xavier_normal_(answer)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))
        self.log_scale = cosine_scale() if config.cosine else None

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        asked, read = self._asked(vectors), self._reads()

        def logits(features: Features) -> Logits:
            weights, answered = self._answered(read(features), *asked)
            weights = F.dropout(weights, self.dropout, self.training)
            with exact(weights):
                found = (weights[:, :, None] * answered).sum((1, 4)) + self.bias
                return found.amax(1) if self.combined == "max" else found.logsumexp(1)

        return logits

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """The maps of shared queries are divided among tokens by the queries' attention, the mean over its heads."""
        with weights_of(() if self.reader is None else (self.reader,)) as kept:
            weights, answered = self._answered(self._reads()(features), *self._asked(vectors))
        if look == "attention":
            found = (weights / weights.sum(-1, keepdim=True)).mean(1)
        else:
            by_answer = (weights[:, :, None] * answered).sum(1)
            found = (by_answer * self._shares(by_answer.sum(-1))[..., None]).sum(1)
        for read in kept:
            found = found @ read.mean(1).to(found.dtype)
        return found

    def _shares(self, logits: Float[Tensor, "batch answer label"]) -> Float[Tensor, "batch answer label"]:
        """The slope of a label's logit in that of each answer."""
        if self.combined == "max":
            return F.one_hot(logits.argmax(1), self.answers).movedim(-1, 1).to(logits.dtype)
        return logits.softmax(1)

    def _asked(self, vectors: Vectors | None) -> tuple[Asked, Answers]:
        """The queries q_i / sqrt(s), and the answers u_i: those of all labels by the first matrix, then the second."""
        chosen = checked(vectors, self.embed_dim)
        queries = self._by_head(self.query_projection(chosen))
        answers = torch.cat(self.answer_projection(chosen).chunk(self.answers, -1))
        if self.log_scale is not None:
            answers = F.normalize(answers, dim=-1) * self.log_scale.exp()
        return queries * queries.shape[-1] ** -0.5, self._by_head(answers)

    def _answered(
        self, read: tuple[Tensor, Tensor], queries: Asked, answers: Answers
    ) -> tuple[Float[Tensor, "batch head label token"], Float[Tensor, "batch head answer label token"]]:
        """The attention a_it of labels to tokens, and `u_i . v_t`."""
        keys, values = read
        scores = queries.to(keys.dtype) @ keys.transpose(-1, -2)
        if self.weighting == "softmax":
            weights = scores.softmax(-1, dtype=torch.float32)
        else:
            tokens = torch.zeros_like(scores[0, 0, 0], dtype=torch.float32)  # log T, of any T in an exported graph
            weights = (scores.float() - tokens.logsumexp(0)).sigmoid()
        answered = answers.to(values.dtype) @ values.transpose(-1, -2)
        return weights, answered.unflatten(2, (self.answers, -1))

    def _reads(self) -> Read:
        """A function from features to keys and values; what does not depend on the image is computed once."""
        projected = None if self.reader is None else self.reader.project_queries(self.queries)

        def read(features: Features) -> tuple[Tensor, Tensor]:
            memory = self.memory_projection(tokens_of(features)).relu()
            if self.reader is not None and projected is not None:
                memory = self.reader_norm(self.reader(projected, memory))
            memory = self.norm(memory + self._drop(self.ffn_out(self._drop(self.ffn_in(memory).relu()))))
            keys, values = self.key_value_projection(memory).chunk(2, -1)
            if self.log_scale is not None:
                values = F.normalize(values, dim=-1)
            return self._by_head(keys), self._by_head(values)

        return read

    def _by_head(self, projected: Float[Tensor, "*batch place width"]) -> Float[Tensor, "*batch head place slice"]:
        return projected.unflatten(-1, (self.heads, -1)).transpose(-3, -2)

    def _drop(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.dropout, self.training)
