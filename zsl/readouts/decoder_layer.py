"""One layer of a decoder: queries that read an image's tokens."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from embeddings.io.errors import InputError

FEW_TOKENS = 256

Queries = Float[Tensor, "group width"] | Float[Tensor, "batch group width"]
Projected = Float[Tensor, "head group slice"] | Float[Tensor, "batch head group slice"]


class Attention(nn.Module):
    """Multi-head attention of queries to memory (batch, token, width); images share the queries or have their own.

    The parameters have the names and the meaning of `torch.nn.MultiheadAttention`.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        if width % heads:
            raise InputError(f"attention_heads = {heads} does not divide width = {width}")
        self.heads = heads
        self.dropout = dropout
        self.kept: list[Tensor] | None = None  # see `weights_of`
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project_queries(self, queries: Queries) -> Projected:
        """The query projection, split into heads and scaled: it does not depend on the memory."""
        width = queries.shape[-1]
        projected = F.linear(queries, self.in_proj_weight[:width], self.in_proj_bias[:width])
        return projected.unflatten(-1, (self.heads, -1)).transpose(-3, -2) * (width // self.heads) ** -0.5

    def forward(
        self, projected: Projected, memory: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch group width"]:
        batch, tokens, width = memory.shape
        both = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:])
        keys, values = both.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        queries = projected.to(keys.dtype)
        # torch's fused attention has a slow backward pass for few tokens on a CPU; an exported graph has any number
        written_out = torch.compiler.is_exporting() or (memory.device.type == "cpu" and tokens <= FEW_TOKENS)
        if written_out or self.kept is not None:
            weights = (queries @ keys.transpose(-1, -2)).softmax(-1).to(values.dtype)
            if self.kept is not None:
                if torch.is_grad_enabled() and not weights.requires_grad:
                    weights.requires_grad_()
                self.kept.append(weights)
            attended = F.dropout(weights, dropout, self.training) @ values
        else:
            expanded = queries.expand(batch, -1, -1, -1)
            attended = F.scaled_dot_product_attention(expanded, keys, values, dropout_p=dropout, scale=1.0)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """`t = LN1(q + drop(q or SA(q)))`; `t = LN2(t + drop(MHA(t, m, m)))`; `h = LN3(t + drop(FFN(t)))`.

    With self-attention SA it is `torch.nn.TransformerDecoderLayer` (post-norm, ReLU). Without it, q takes the place of
    SA(q), as in ML-Decoder: queries that do not depend on the image need not exchange information.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float, self_attention: bool):
        super().__init__()
        self.dropout = dropout
        self.attention = Attention(width, heads, dropout)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.ffn_in, self.ffn_out = nn.Linear(width, ffn), nn.Linear(ffn, width)
        self.self_attention = Attention(width, heads, dropout) if self_attention else None

    def begin(self, queries: Queries, apart: bool = False) -> tuple[Queries, Projected]:
        """The part that does not read the image: queries after LN1, and their projection for the attention to it.

        Args:
            queries: of the layer.
            apart: in self-attention, each query attends to itself only.
        """
        said = queries
        if self.self_attention is not None:
            every = queries.flatten(0, -2)[:, None] if apart else queries if queries.ndim == 3 else queries[None]
            said = self.self_attention(self.self_attention.project_queries(every), every).view_as(queries)
        queries = self.norm1(queries + self._drop(said))
        return queries, self.attention.project_queries(queries)

    def read(
        self, queries: Queries, projected: Projected, memory: Float[Tensor, "batch token width"]
    ) -> Float[Tensor, "batch group width"]:
        """The part that reads the image: the output h for the queries of `begin`."""
        hidden = self.norm2(queries + self._drop(self.attention(projected, memory)))
        return self.norm3(hidden + self._drop(self.ffn_out(self._drop(self.ffn_in(hidden).relu()))))

    def _drop(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.dropout, self.training)


@contextmanager
def weights_of(attentions: Sequence[Attention]) -> Iterator[list[Float[Tensor, "batch head group token"]]]:
    """A block in which attention to the image is kept: one tensor for each call, which has a gradient.

    Args:
        attentions: of one readout.
    Yields:
        a list that grows with each call of one of them.
    """
    kept: list[Tensor] = []
    for attention in attentions:
        attention.kept = kept
    try:
        yield kept
    finally:
        for attention in attentions:
            attention.kept = None


class GroupedLayer(DecoderLayer):
    """A decoder layer for groups of labels, with the sizes and parameters that kinds of queries and heads use."""

    width: int
    embed_dim: int | None
    group_size: int
    num_groups: int
    query_noise: float
    official_queries: bool
    log_scale: nn.Parameter | None

    query_projection: nn.Linear
    queries: Tensor
    head_projection: Tensor
    head_weight: Tensor
    head_bias: Tensor
