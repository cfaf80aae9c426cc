"""What readouts of the mean token share."""

from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor

from zsl.readouts.readout import Features, ReadoutConfig, tokens_of


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
