"""What readouts of the mean token share."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor

from zsl.readouts.readout import Features, Maps, ReadoutConfig, tokens_of


class PooledConfig(ReadoutConfig):
    """A linear layer on the mean token.

    On tokens of a frozen backbone it is trained at several learning rates, `train.lr` times each of `rates`, and the
    best on seen validation is kept: it needs larger steps than a decoder, and how large depends on the tokens' scale.
    """

    rates: tuple[PositiveFloat, ...] = Field((1, 3, 10, 30), min_length=1)

    def learning_rates(self, lr: float) -> tuple[float, ...]:
        """`lr` times each of `rates`."""
        return tuple(rate * lr for rate in self.rates)


def pool(features: Features, leading: int = 0) -> Float[Tensor, "batch channel"]:
    """Global average pooling, in float32: the mean of an image's tokens.

    >>> pool(torch.tensor([[[1.0], [3.0], [8.0]]])), pool(torch.tensor([[[1.0], [3.0], [8.0]]]), leading=1)
    (tensor([[4.]]), tensor([[1.]]))

    Args:
        features: tokens or maps.
        leading: number of the first tokens that stand for the whole image; the mean is of these, if there are any.
    """
    return tokens_of(features)[:, : leading or None].float().mean(1)


def shares(
    features: Features,
    weight: Float[Tensor, "channel label"],
    constant: Float[Tensor, " label"] | None = None,
    leading: int = 0,
) -> Maps:
    """What each token adds to `weight' pool(features) + constant`: class activation maps (Zhou et al. 2016).

    They are exact here, because the map is linear. Pooled tokens have equal parts of the constant.

    >>> tokens, weight = torch.ones(2, 5, 3), torch.ones(3, 7)
    >>> shares(tokens, weight).sum(2)[0, 0]  # as the pooled token (1, 1, 1) gives
    tensor(3.)

    Args:
        features: tokens or maps.
        weight: from the pooled token to the labels.
        constant: of each label; None means 0.
        leading: same as for `pool`.
    Returns:
        (batch, label, token) float32; the sum over tokens is the map's value.
    """
    tokens = tokens_of(features).float()
    maps = torch.einsum("btc,cl->blt", tokens[:, : leading or None], weight.float())
    maps = (maps if constant is None else maps + constant[:, None]) / maps.shape[2]
    return F.pad(maps, (0, tokens.shape[1] - maps.shape[2]))
