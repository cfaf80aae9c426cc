"""What readouts of the mean token share."""

import torch
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


def pool(features: Features) -> Float[Tensor, "batch channel"]:
    """Global average pooling, in float32: the mean of an image's tokens."""
    return tokens_of(features).float().mean(1)


def shares(
    features: Features, weight: Float[Tensor, "channel label"], constant: Float[Tensor, " label"] | None = None
) -> Maps:
    """What each token adds to `weight' pool(features) + constant`: class activation maps (Zhou et al. 2016).

    They are exact here, because the map is linear. Tokens have equal parts of the constant.

    >>> tokens, weight = torch.ones(2, 5, 3), torch.ones(3, 7)
    >>> shares(tokens, weight).sum(2)[0, 0]  # as the pooled token (1, 1, 1) gives
    tensor(3.)

    Args:
        features: tokens or maps.
        weight: from the pooled token to the labels.
        constant: of each label; None means 0.
    Returns:
        (batch, label, token) float32; the sum over tokens is the map's value.
    """
    tokens = tokens_of(features).float()
    maps = torch.einsum("btc,cl->blt", tokens, weight.float())
    return (maps if constant is None else maps + constant[:, None]) / tokens.shape[1]
