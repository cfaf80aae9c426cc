"""Global average pooling and a linear layer: the usual head of a closed set."""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor, nn

from zsl.readouts.company import Company, chosen_company, nearest, of_all, of_nearest
from zsl.readouts.looks import Look
from zsl.readouts.pooled import PooledConfig, pool, shares
from zsl.readouts.readout import PRIOR_LOGIT, Features, Logits, Maps, Readout, Seen, Vectors, exact


class GapConfig(PooledConfig):
    """`GapReadout`; its labels are those of training."""

    kind: Literal["gap"] = "gap"
    open_vocabulary: ClassVar[bool] = False
    reads_vectors: ClassVar[bool] = False
    companies: ClassVar[tuple[Company, ...]] = ("anchored",)

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return GapReadout(channels, num_labels)


class GapReadout(Readout):
    """Global average pooling and a linear layer, the usual head of a closed set: `W mean(x) + b`.

    If the vocabulary's size differs from N, label `i` takes row `i mod N`, as the decoder's learnable heads do: seen
    labels keep their rows if they come first, and unseen ones are at chance.

    Args:
        channels: size of an image token.
        num_labels: N, the number of training labels.
    """

    companies = GapConfig.companies
    looks = ("evidence",)
    reads_whole = True

    def __init__(self, channels: int, num_labels: int):
        super().__init__()
        self.num_labels = num_labels
        self.linear = nn.Linear(channels, num_labels)
        nn.init.constant_(self.linear.bias, PRIOR_LOGIT)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; only its size matters. None means the labels of training."""
        weight: Tensor = self.linear.weight
        bias: Tensor = self.linear.bias
        if vectors is not None and len(vectors) != self.num_labels:
            index = torch.arange(len(vectors), device=weight.device) % self.num_labels
            weight, bias = weight[index], bias[index]

        def logits(features: Tensor) -> Logits:
            with exact(features):
                return F.linear(pool(features, self.leading).to(weight.dtype), weight, bias)

        return logits

    def bind_each(
        self,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        without: Int64[Tensor, " label"] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """Gives each label the logit of its nearest seen label, which is all that a closed set can say of it.

        Raises:
            InputError: another company than "anchored"; no trained vectors, or of another number of labels.
        """
        chosen_company(company, self.companies, type(self).__name__)
        return of_nearest(self.bind(None), nearest(vectors, of_all(trained, self.num_labels), without))

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        chosen_company(company, self.companies, type(self).__name__)
        rows = self.linear.weight[nearest(vectors, of_all(trained, self.num_labels))]
        return shares(features, rows.T, leading=self.leading)
