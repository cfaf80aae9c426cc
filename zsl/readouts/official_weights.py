"""Weights of the reference ML-Decoder heads, as `GroupDecoder`s."""

from collections.abc import Mapping

import torch
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.readouts.group_decoder import GroupDecoder, MlDecoderConfig

ANCHOR = "embed_standart.weight"
LAYER = {
    "memory_projection": "embed_standart",
    "attention.out_proj": "layers.0.multihead_attn.out_proj",
    "norm1": "layers.0.norm1",
    "norm2": "layers.0.norm2",
    "norm3": "layers.0.norm3",
    "ffn_in": "layers.0.linear1",
    "ffn_out": "layers.0.linear2",
}


def load_state_dict(state: Mapping[str, Tensor], attention_heads: int = 8) -> tuple[GroupDecoder, MlDecoderConfig]:
    """A `GroupDecoder` that gives the same logits as the reference head with this state dict, and its config.

    The zero-shot head (`wordvec_proj`, a `(d, 1)` shared head) becomes query "text" with bias and ReLU and head
    "shared" at g = 1, for any vocabulary; the group head becomes query "random" (the reference does not train its
    queries) and head "learnable".

    Args:
        state: tensors by the reference's names, after any prefix ("head.", "module.head.").
        attention_heads: number of heads, which the weights do not tell; the reference has 8.
    Returns:
        The decoder, in evaluation mode, and its config. The zero-shot head does not say how many labels it was trained
        on, and does not depend on it; its decoder is made for 1.
    Raises:
        InputError: no reference head in `state`, a missing part, several decoder layers, shapes that do not fit.
    """
    parts = _Parts(state)
    own = {f"{a}.{kind}": parts.tensor(f"{b}.{kind}") for a, b in LAYER.items() for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        own[f"attention.in_proj_{kind}"] = parts.tensor(f"layers.0.multihead_attn.in_proj_{kind}")
    width, channels = own["memory_projection.weight"].shape
    sizes = {"width": width, "ffn": len(own["ffn_in.bias"]), "attention_heads": attention_heads}
    projection = parts.word_projection()
    if projection is not None:
        weight, bias = projection
        own |= {"query_projection.weight": weight, "query_projection.bias": bias}
        own |= {"head_weight": parts.tensor("duplicate_pooling"), "head_bias": parts.tensor("duplicate_pooling_bias")}
        config = MlDecoderConfig(group_size=1, head="shared", official_queries=True, **sizes)
        decoder = GroupDecoder(channels, weight.shape[1], 1, config)
    else:
        groups, num_labels, slots = parts.groups()
        own |= groups
        config = MlDecoderConfig(group_size=slots, query="random", head="learnable", **sizes)
        decoder = GroupDecoder(channels, None, num_labels, config)
    try:
        decoder.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"the state dict does not fit the reference head: {error}") from error
    return decoder.eval(), config


class _Parts:
    """The tensors of a reference head, by their names below its prefix.

    Raises:
        InputError: no reference head in the state dict, or one of several layers.
    """

    def __init__(self, state: Mapping[str, Tensor]):
        anchor = next((name for name in state if name.endswith(ANCHOR)), None)
        if anchor is None:
            raise InputError(f"no ML-Decoder head in the state dict: no name ends in {ANCHOR!r}")
        self.state, self.prefix = state, anchor.removesuffix(ANCHOR)
        if f"{self.prefix}layers.1.norm1.weight" in state:
            raise InputError("the head has more than one decoder layer; the reference's released heads have one")

    def tensor(self, name: str) -> Tensor:
        """A tensor in float32.

        Raises:
            InputError: there is no tensor of this name.
        """
        if self.prefix + name not in self.state:
            raise InputError(f"the ML-Decoder head in the state dict lacks {self.prefix + name!r}")
        return self.state[self.prefix + name].detach().float()

    def word_projection(self) -> tuple[Tensor, Tensor] | None:
        """Weight and bias of the zero-shot head's projection of word vectors, which may be outside the head."""
        for prefix in (self.prefix.removesuffix("decoder."), self.prefix):
            if f"{prefix}wordvec_proj.weight" in self.state:
                weight, bias = (self.state[f"{prefix}wordvec_proj.{kind}"] for kind in ("weight", "bias"))
                return weight.detach().float(), bias.detach().float()
        return None

    def groups(self) -> tuple[dict[str, Tensor], int, int]:
        """Queries, weights and biases of the groups that have labels; the number of labels; the group size."""
        weights, bias = self.tensor("duplicate_pooling"), self.tensor("duplicate_pooling_bias")
        num_labels, slots = len(bias), weights.shape[2]
        used = -(-num_labels // slots)  # the reference makes K groups even where fewer hold all labels
        padded = torch.nn.functional.pad(bias, (0, used * slots - num_labels)).view(used, slots)
        queries = self.tensor("query_embed.weight")[:used]
        return {"queries": queries, "head_weight": weights[:used], "head_bias": padded}, num_labels, slots
