"""Weights of the reference ML-Decoder heads, as `GroupDecoder`s."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.readouts.group_decoder import GroupDecoder

LAYER = {
    "memory_projection": "embed_standart",
    "attention.out_proj": "layers.0.multihead_attn.out_proj",
    "norm1": "layers.0.norm1",
    "norm2": "layers.0.norm2",
    "norm3": "layers.0.norm3",
    "ffn_in": "layers.0.linear1",
    "ffn_out": "layers.0.linear2",
}


def load_state_dict(state: Mapping[str, Tensor], attention_heads: int = 8) -> GroupDecoder:
    """A `GroupDecoder` with the logits of the reference head whose state dict is given.

    The zero-shot head (`wordvec_proj`, a `(d, 1)` shared head) becomes query "text" with bias and ReLU and head
    "shared" at g = 1, for any vocabulary; the group head becomes query "random" (the reference does not train its
    queries) and head "learnable".

    Args:
        state: by the reference's names, below any prefix ("head.", "module.head.").
        attention_heads: not in the weights; the reference has 8.
    Returns:
        The decoder, in evaluation mode.
    Raises:
        InputError: no reference head in `state`, a part missing, a stacked decoder, shapes that do not fit.
    """
    anchor = next((name for name in state if name.endswith("embed_standart.weight")), None)
    if anchor is None:
        raise InputError("no ML-Decoder head in the state dict: no name ends in 'embed_standart.weight'")
    prefix = anchor.removesuffix("embed_standart.weight")
    if f"{prefix}layers.1.norm1.weight" in state:
        raise InputError("the head has more than one decoder layer; the reference's released heads have one")

    def part(name: str) -> Tensor:
        if prefix + name not in state:
            raise InputError(f"the ML-Decoder head in the state dict lacks {prefix + name!r}")
        return state[prefix + name].detach().float()

    own = {f"{a}.{kind}": part(f"{b}.{kind}") for a, b in LAYER.items() for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        own[f"attention.in_proj_{kind}"] = part(f"layers.0.multihead_attn.in_proj_{kind}")
    width, channels = own["memory_projection.weight"].shape
    sizes: dict[str, Any] = {"width": width, "ffn": len(own["ffn_in.bias"]), "attention_heads": attention_heads}
    pooling, bias = part("duplicate_pooling"), part("duplicate_pooling_bias")

    outer = prefix.removesuffix("decoder.")
    projection = next((n for n in (f"{outer}wordvec_proj", f"{prefix}wordvec_proj") if f"{n}.weight" in state), None)
    if projection is not None:
        own["query_projection.weight"] = state[f"{projection}.weight"].detach().float()
        own["query_projection.bias"] = state[f"{projection}.bias"].detach().float()
        own |= {"head_weight": pooling, "head_bias": bias}
        embed_dim = own["query_projection.weight"].shape[1]
        decoder = GroupDecoder(
            channels, embed_dim, 1, group_size=1, head="shared", query_bias=True, query_relu=True, **sizes
        )
    else:
        slots = pooling.shape[2]
        used = -(-len(bias) // slots)  # the reference makes K groups even where fewer hold all labels
        own["queries"] = part("query_embed.weight")[:used]
        own["head_weight"] = pooling[:used]
        own["head_bias"] = torch.nn.functional.pad(bias, (0, used * slots - len(bias))).view(used, slots)
        decoder = GroupDecoder(channels, None, len(bias), group_size=slots, query="random", head="learnable", **sizes)
    try:
        decoder.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"the state dict does not fit the reference head: {error}") from error
    return decoder.eval()
