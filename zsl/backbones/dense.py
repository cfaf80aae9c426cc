"""Other readings of a transformer's last block, for tokens of patches that say more about their own place.

With x what reaches the block, q, k and v the queries, keys and values of norm1(x) in each head, d a head's width, and
out the attention's projection of all heads:

- "value" is MaskCLIP's (Zhou et al., ECCV 2022): out(v), its equation for the dense features of the last attention.
  Queries, keys, the residual connections and the MLP play no part. The authors' code for transformers adds the residual
  connections and the MLP to the equation; this does not.
- "self" is SCLIP's (Wang et al., ECCV 2024), the block with its correlative self-attention:
  y = x + out((softmax(q q' / sqrt d) + softmax(k k' / sqrt d)) v), then y + mlp(norm2(y)). All tokens take part, that
  of the class too. The two softmaxes are added, not averaged.

A block that norms queries and keys or scales its branches (LayerScale) does so here. Dropout and stochastic depth are
left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Tokens = Float[Tensor, "batch token embed"]

# the first norm and its scale, the second norm and its scale; of open_clip and of timm
PARTS = {"ResidualAttentionBlock": ("ln_1", "ls_1", "ln_2", "ls_2"), "Block": ("norm1", "ls1", "norm2", "ls2")}


class DenseBlock:
    """A block with another reading of its attention.

    Args:
        block: for which `can_be_read` is true.
        dense: "value" or "self".
    """

    def __init__(self, block: Any, dense: str):
        self.block, self.dense = block, dense

    def __call__(self, tokens: Tokens) -> Tokens:
        """What the block makes of tokens.

        Args:
            tokens: that reach the block, those of the class and of registers too.
        """
        norm1, scale1, norm2, scale2 = (getattr(self.block, part) for part in PARTS[type(self.block).__name__])
        attention = self.block.attn
        queries, keys, values = _heads(attention, norm1(tokens))
        if self.dense == "value":
            return scale1(_projected(attention, values))
        attend = F.scaled_dot_product_attention
        found = attend(queries, queries, values) + attend(keys, keys, values)
        tokens = tokens + scale1(_projected(attention, found))
        return tokens + scale2(self.block.mlp(norm2(tokens)))


def can_be_read(block: Any) -> bool:
    """Whether it is a plain block of open_clip or timm: norm, attention, norm, MLP."""
    if type(block).__name__ == "ResidualAttentionBlock":
        return isinstance(block.attn, nn.MultiheadAttention)
    from timm.layers.attention import Attention
    from timm.models.vision_transformer import Block

    if type(block) is not Block or type(block.attn) is not Attention:
        return False
    return getattr(block.attn, "gate", None) is None and isinstance(block.attn.norm, nn.Identity)


@contextmanager
def reaching(block: nn.Module) -> Iterator[list[Tensor]]:
    """What reaches a block of the model that is called inside the `with`: a list of one item for each call."""
    seen: list[Tensor] = []
    hook = block.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        hook.remove()


def _heads(attention: Any, tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values: (batch, head, token, width)."""
    if isinstance(attention, nn.MultiheadAttention):
        joined = F.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    else:
        joined = attention.qkv(tokens)
    queries, keys, values = joined.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    if isinstance(attention, nn.MultiheadAttention):
        return queries, keys, values
    return attention.q_norm(queries), attention.k_norm(keys), values


def _projected(attention: Any, found: Tensor) -> Tokens:
    """The heads side by side, through the attention's last projection."""
    projection = attention.out_proj if isinstance(attention, nn.MultiheadAttention) else attention.proj
    return projection(found.transpose(1, 2).flatten(2))
