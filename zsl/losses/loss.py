"""What a loss is to the training loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from jaxtyping import Float
from torch import Tensor

from zsl.config import Config

Logits = Float[Tensor, "batch label"]


@dataclass(frozen=True)
class Loss:
    """An entry of the table of losses.

    Args:
        compute: `(logits, targets, weights=None, **options)`, summed over images and labels: the paper's training sums
            too.
        options: keywords of `compute`, and the keys of `train` that give them.
        exclusive: it takes labels for exclusive: it needs whole annotations, and logits of one image do not compare
            with those of another.
    """

    compute: Callable[..., Tensor]
    options: Mapping[str, str] = field(default_factory=dict)
    exclusive: bool = False

    def of(self, config: Config) -> Callable[..., Tensor]:
        """`(logits, targets, weights=None)`, with the options of a `train` section."""
        return partial(self.compute, **{keyword: getattr(config, key) for keyword, key in self.options.items()})
