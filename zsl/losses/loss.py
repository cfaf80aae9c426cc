"""A loss as the training loop uses it."""

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
        compute: `(logits, targets, weights=None, **options)`, summed over images and labels, as in the paper.
        options: keywords of `compute`, and the keys of `train` that give them.
        exclusive: the loss treats labels as mutually exclusive. It then needs complete annotations, and logits of
            different images are not comparable.
    """

    compute: Callable[..., Tensor]
    options: Mapping[str, str] = field(default_factory=dict)
    exclusive: bool = False

    def of(self, config: Config) -> Callable[..., Tensor]:
        """The loss as a function of `(logits, targets, weights=None)`, with the options of a `train` section."""
        return partial(self.compute, **{keyword: getattr(config, key) for keyword, key in self.options.items()})
