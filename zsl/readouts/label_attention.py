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
from zsl.readouts.looks import Look
from zsl.readouts.readout import (
    PRIOR_LOGIT,
    Features,
    Logits,
    Maps,
    Readout,
    ReadoutConfig,
    Seen,
    Vectors,
    checked,
    exact,
    tokens_of,
)

ByHead = Float[Tensor, "head label slice"]


class LabelAttentionConfig(ReadoutConfig):
    """`LabelAttentionReadout`."""

    kind: Literal["label-attention"] = "label-attention"
    width: int = Field(768, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    sizes: ClassVar[tuple[str, ...]] = ("width", "ffn")

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return LabelAttentionReadout(channels, embed_dim, **self.model_dump(exclude={"kind"}))


class LabelAttentionReadout(Readout):
    """Label attention: each label's word vector makes a query and an answer. It is not in the paper.

    `m = relu(W_m x + c)`, `m = LN(m + FFN(m))`; for every attention head, `a_it = softmax_t(q_i . k_t / sqrt(s))` with
    `q_i = W_q n_i`, `k_t = W_k m_t`, s its width; the logit is `b + sum_t a_it (u_i . v_t)` over tokens and heads, with
    `u_i = W_u n_i`, `v_t = W_v m_t`. That is `u_i` times the attention's output, whose (label, width) values are never
    computed. No projection, norm or feed-forward runs on labels, so full decoding costs as much as a few groups.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        width: of tokens, queries and answers, over all heads.
        attention_heads, ffn, dropout: same as for a decoder layer.
    Raises:
        InputError: the width is not a multiple of the number of heads.
    """

    looks = ("evidence", "attention")

    def __init__(
        self,
        channels: int,
        embed_dim: int,
        width: int = 768,
        attention_heads: int = 8,
        ffn: int = 2048,
        dropout: float = 0.1,
    ):
        super().__init__()
        if width % attention_heads:
            raise InputError(f"attention_heads = {attention_heads} does not divide width = {width}")
        self.embed_dim, self.heads, self.dropout = embed_dim, attention_heads, dropout
        self.memory_projection = nn.Linear(channels, width)
        self.ffn_in, self.ffn_out = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.norm = nn.LayerNorm(width)
        self.key_value_projection = nn.Linear(width, 2 * width)
        self.query_projection = nn.Linear(embed_dim, width, bias=False)
        self.answer_projection = nn.Linear(embed_dim, width, bias=False)
        nn.init.xavier_normal_(self.answer_projection.weight)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        asked = self._asked(vectors)

        def logits(features: Features) -> Logits:
            weights, answered = self._answered(features, *asked)
            weights = F.dropout(weights, self.dropout, self.training)
            with exact(weights):
                return (weights * answered).sum((1, 3)) + self.bias

        return logits

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        weights, answered = self._answered(features, *self._asked(vectors))
        return weights.mean(1) if look == "attention" else (weights * answered).sum(1)

    def _asked(self, vectors: Vectors | None) -> tuple[ByHead, ByHead]:
        """The queries q_i / sqrt(s) and the answers u_i of labels."""
        chosen = checked(vectors, self.embed_dim)
        queries = self._by_head(self.query_projection(chosen))
        return queries * queries.shape[-1] ** -0.5, self._by_head(self.answer_projection(chosen))

    def _answered(
        self, features: Features, queries: ByHead, answers: ByHead
    ) -> tuple[Float[Tensor, "batch head label token"], Float[Tensor, "batch head label token"]]:
        """The attention a_it of labels to tokens, and `u_i . v_t`."""
        keys, values = self._memory(features)
        weights = (queries.to(keys.dtype) @ keys.transpose(-1, -2)).softmax(-1, dtype=torch.float32)
        return weights, answers.to(values.dtype) @ values.transpose(-1, -2)

    def _memory(self, features: Features) -> Float[Tensor, "2 batch head token slice"]:
        """Keys and values of the tokens, by head."""
        memory = self.memory_projection(tokens_of(features)).relu()
        memory = self.norm(memory + self._drop(self.ffn_out(self._drop(self.ffn_in(memory).relu()))))
        return self.key_value_projection(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)

    def _by_head(self, projected: Float[Tensor, "label width"]) -> ByHead:
        return projected.unflatten(-1, (self.heads, -1)).transpose(0, 1)

    def _drop(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.dropout, self.training)
