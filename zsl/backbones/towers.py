"""The image towers of open_clip's pairs: an image's vector, and its patches in the same space.

A patch's vector is what the tower's last norm, pooling and projection make of that patch alone:

- `VisionTransformer`: the patch takes the class token's place before the last norm and the projection. Where an
  attentional pooler stands there (CoCa), its attention to a single patch gives the projected value of the patch.
- `ModifiedResNet`: the value path of the attention pool, `W_c (W_v (x + p) + b_v) + b_c`, with the patch's own position
  embedding p. The pooled vector is a mean of these vectors and that of the mean patch, weighted by attention.
- `TimmModel`: the trunk's pooling and head of the patch alone. For an average, that is the head's projection; for an
  attention pool (SigLIP), the projected value of the patch, and then the pool's MLP.

With `dense` = "value" or "self", the patches come from another reading of the last block (`zsl.backbones.dense`): in a
`VisionTransformer`, and in a `TimmModel` whose trunk is timm's plain `VisionTransformer`. A `ModifiedResNet` has no
such block. The value path of its pool is MaskCLIP's reading of it, so "value" and "plain" are the same there. The
vector of the whole image is always that of the block as it is.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.backbones.dense import DenseBlock, can_be_read, reaching
from zsl.backbones.token_grid import channels_last, fault_of, grid_of, image_tokens, prefix_tokens

Patches = Float[Tensor, "batch token channel"]
Wholes = Float[Tensor, "batch channel"]


class Tower(ABC):
    """A tower's parts: features, then an image's vector and those of its patches."""

    lacks = ""  # why it has no patches; "" if it has them
    values_alone = False  # patches are those of a value path as it is
    last_block: Any = None  # that of a transformer; None if it is none
    dense: DenseBlock | None = None  # another reading of the last block, for patches

    def __init__(self, model: Any):
        self.model = model

    def read(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The features of the whole image, and those of its patches."""
        if self.dense is None:
            features = self.features(pixels)
            return features, features
        with reaching(self.last_block) as seen:
            features = self.features(pixels)
        return features, self.after_blocks(self.dense(seen[0]))

    def after_blocks(self, tokens: Tensor) -> Tensor:
        """Features of what leaves the last block."""
        return tokens

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """What the last norm, pooling and projection are given."""

    @abstractmethod
    def whole(self, features: Tensor) -> Wholes:
        """An image's vector, as `encode_image` gives it before it is normalised."""

    @abstractmethod
    def patches(self, features: Tensor) -> Patches:
        """The vectors of an image's patches, row by row."""

    @abstractmethod
    def grid(self, pixels: Tensor) -> tuple[int, int]:
        """The rows and columns of patches."""

    def fault(self, pixels: Tensor) -> str | None:
        """What is odd about its features; None if nothing is."""
        return None

    def checkpoint(self) -> bool:
        """Turns checkpointing of gradients on; false if it has none."""
        return False


class _Transformer(Tower):
    def __init__(self, model: Any):
        super().__init__(model)
        self.last_block = model.transformer.resblocks[-1]

    def features(self, pixels: Tensor) -> Tensor:
        return self.model.transformer(self.model._embeds(pixels))

    def whole(self, features: Tensor) -> Wholes:
        return self._projected(self.model._pool(features)[0])

    def patches(self, features: Tensor) -> Patches:
        found, pool = features[:, 1:], self.model.attn_pool
        if pool is not None:
            found = _values(pool.attn, pool.ln_k(found))
        return self._projected(self.model.ln_post(found))

    def _projected(self, vectors: Tensor) -> Tensor:
        return vectors if self.model.proj is None else vectors @ self.model.proj

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        rows, columns = self.model.grid_size
        return rows, columns

    def checkpoint(self) -> bool:
        self.model.set_grad_checkpointing(True)
        return True


class _ResNet(Tower):
    values_alone = True

    def features(self, pixels: Tensor) -> Tensor:
        return self.model.forward_intermediates(pixels, indices=1, intermediates_only=True)["image_intermediates"][-1]

    def whole(self, features: Tensor) -> Wholes:
        return self.model.attnpool(features)

    def patches(self, features: Tensor) -> Patches:
        pool = self.model.attnpool
        return pool.c_proj(pool.v_proj(features.flatten(2).transpose(1, 2) + pool.positional_embedding[1:]))

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        rows, columns = self.features(pixels).shape[2:]
        return rows, columns


class _Timm(Tower):
    def __init__(self, model: Any):
        super().__init__(model)
        self.trunk, self.prefix = model.trunk, prefix_tokens(model.trunk)
        if type(self.trunk).__name__ == "VisionTransformer":
            self.last_block = self.trunk.blocks[-1]
        if (
            "pool" in dict(model.head.named_children())
            or getattr(getattr(self.trunk, "attn_pool", None), "pos_embed", None) is not None
        ):
            self.lacks = "its pooling knows the places of patches"

    def features(self, pixels: Tensor) -> Tensor:
        return self.trunk.forward_features(pixels)

    def after_blocks(self, tokens: Tensor) -> Tensor:
        return self.trunk.norm(tokens)

    def whole(self, features: Tensor) -> Wholes:
        return self.model.head(self.trunk.forward_head(features))

    def patches(self, features: Tensor) -> Patches:
        found = image_tokens(self.trunk, features, self.prefix)
        alone = found.flatten(0, 1)
        if features.ndim == 3:  # a pooling may read the first token, or those after the prefix: both are the patch
            alone = alone[:, None].expand(-1, self.prefix + 1, -1)
        else:
            alone = alone[:, None, None, :] if channels_last(self.trunk) else alone[:, :, None, None]
        return self.whole(alone).unflatten(0, found.shape[:2])

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        return grid_of(self.trunk, pixels, None)

    def fault(self, pixels: Tensor) -> str | None:
        return fault_of(self.trunk, pixels, self.features(pixels), self.prefix)

    def checkpoint(self) -> bool:
        try:
            self.trunk.set_grad_checkpointing(True)
        except (AssertionError, AttributeError):
            return False
        return True


TOWERS: dict[str, type[Tower]] = {"VisionTransformer": _Transformer, "ModifiedResNet": _ResNet, "TimmModel": _Timm}


def tower_of(model: nn.Module, name: str, dense: str = "plain") -> Tower:
    """The parts of a pair's image tower.

    Args:
        model: `visual` of a model of open_clip.
        name: of the pair, for messages.
        dense: how the last block is read for patches: "plain", "value" or "self".
    Raises:
        InputError: a tower of a kind that is not known, or one that cannot be read so.
    """
    kind = type(model).__name__
    if kind not in TOWERS:
        raise InputError(f"the image tower of {name} is a {kind}; known are {', '.join(TOWERS)}")
    tower = TOWERS[kind](model)
    if dense == "plain" or (dense == "value" and tower.values_alone):
        return tower
    if not can_be_read(tower.last_block):
        told = type(getattr(model, "trunk", model)).__name__
        raise InputError(
            f'backbone.dense = "{dense}" needs an image tower that ends in a plain block of self-attention; that of '
            f'{name} ({told}) does not; set backbone.dense = "plain"'
        )
    tower.dense = DenseBlock(tower.last_block, dense)
    return tower


def _values(attention: Any, tokens: Patches) -> Float[Tensor, "batch token embed"]:
    """What attention gives for each token if it sees that token alone: its projected value."""
    weight = attention.v_proj_weight  # None if queries, keys and values share one matrix
    weight = attention.in_proj_weight.chunk(3)[2] if weight is None else weight
    return attention.out_proj(F.linear(tokens, weight, attention.in_proj_bias.chunk(3)[2]))
