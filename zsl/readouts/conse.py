"""ConSE: a classifier of seen labels; an image's embedding is the mean of their word vectors by probability."""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.readouts.gap import GapReadout
from zsl.readouts.pooled import PooledConfig
from zsl.readouts.readout import Logits, Readout, Vectors, checked, exact


class ConseConfig(PooledConfig):
    """`ConseReadout`; `top` is its T."""

    kind: Literal["conse"] = "conse"
    top: int = Field(10, ge=1)
    open_vocabulary: ClassVar[bool] = False

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return ConseReadout(channels, embed_dim, num_labels, self.top)


class ConseReadout(Readout):
    """ConSE: a classifier of the training labels, whose predictions are averaged in the space of word vectors.

    Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings": over an image's T most
    probable training labels, `f = sum_t p_t n_t / sum_t p_t`; a label's score is `cos(f, n_i)`. In training the
    logits are the classifier's, `W mean(x) + b`; p is their sigmoid, since labels do not exclude each other.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        num_labels: N, the number of training labels.
        top: T; all training labels if there are fewer.
    Raises:
        InputError: a T below 1.
    """

    seen: Tensor

    def __init__(self, channels: int, embed_dim: int, num_labels: int, top: int = 10):
        super().__init__()
        if top < 1:
            raise InputError(f"top = {top} is less than 1")
        self.top, self.embed_dim = min(top, num_labels), embed_dim
        self.classifier = GapReadout(channels, num_labels)
        # NaN until training, so that scores of an untrained readout are an error
        self.register_buffer("seen", torch.full((num_labels, embed_dim), torch.nan))

    def remember(self, vectors: Vectors | None) -> None:
        """Stores the training labels' vectors, which predictions average."""
        with torch.no_grad():
            self.seen.copy_(checked(vectors, self.embed_dim))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; in training, to the classifier's labels.

        Raises:
            InputError: no vectors, or vectors of another size; in training, another number of labels than the
                classifier has.
        """
        classify = self.classifier.bind(None)
        chosen = checked(vectors, self.embed_dim)
        if self.training:
            if len(chosen) != len(self.seen):
                raise InputError(f"vectors of {len(chosen)} labels, but the classifier has {len(self.seen)}")
            return classify
        directions = F.normalize(chosen.to(self.seen.dtype), dim=1)

        def scores(features: Tensor) -> Logits:
            values, labels = classify(features).sigmoid().topk(self.top, dim=1)
            with exact(features):
                # the sum is not divided by sum_t p_t, because a cosine does not depend on length
                mixed = torch.einsum("bt,bte->be", values, self.seen[labels])
                return F.normalize(mixed, dim=1) @ directions.T

        return scores
