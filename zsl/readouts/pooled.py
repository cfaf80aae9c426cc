"""Readouts of the mean token: what a decoder has to beat."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.readout import PRIOR_LOGIT, Logits, Readout, Vectors, exact, pool


def checked(vectors: Vectors | None, embed_dim: int) -> Tensor:
    """The vectors that a text readout cannot do without.

    Raises:
        InputError: there are none, or of another size.
    """
    if vectors is None:
        raise InputError("this readout needs word vectors")
    if vectors.ndim != 2 or not len(vectors) or vectors.shape[1] != embed_dim:
        raise InputError(f"vectors must be (label, {embed_dim}), got shape {tuple(vectors.shape)}")
    return vectors


class PooledReadout(Readout):
    """Global average pooling and a linear layer, the usual head of a closed set: `W mean(x) + b`.

    Of another number of labels than in training, label `i` takes row `i mod N`, as the decoder's learnable heads do:
    seen labels keep theirs where they come first, unseen ones are at chance.

    Args:
        channels: size of an image token.
        num_labels: N of training.
    """

    def __init__(self, channels: int, num_labels: int):
        super().__init__()
        self.num_labels = num_labels
        self.linear = nn.Linear(channels, num_labels)
        nn.init.constant_(self.linear.bias, PRIOR_LOGIT)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Only the number of the vectors is read; None means the labels of training."""
        weight: Tensor = self.linear.weight
        bias: Tensor = self.linear.bias
        if vectors is not None and len(vectors) != self.num_labels:
            index = torch.arange(len(vectors), device=weight.device) % self.num_labels
            weight, bias = weight[index], bias[index]

        def logits(features: Tensor) -> Logits:
            with exact(features):
                return F.linear(pool(features).to(weight.dtype), weight, bias)

        return logits


class PooledTextReadout(Readout):
    """The mean token, projected to the space of word vectors: `(W mean(x) + c) . n_i + b`.

    DeViSE's model (Frome et al. 2013, "DeViSE: A Deep Visual-Semantic Embedding Model"), under the loss of the run
    instead of its hinge.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
    """

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.embed_dim = embed_dim
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.full((1,), PRIOR_LOGIT))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """The readout with its vocabulary, which it cannot do without.

        Raises:
            InputError: no vectors, or of another size.
        """
        chosen = checked(vectors, self.embed_dim)

        def logits(features: Tensor) -> Logits:
            with exact(features):
                projected = self.projection(pool(features).to(self.bias.dtype))
                return projected @ chosen.T.to(projected.dtype) + self.bias

        return logits


class ConseReadout(Readout):
    """ConSE: a classifier of the training labels, whose answers are mixed in the space of word vectors.

    Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic Embeddings": of an image's T most
    probable training labels, `f = sum_t p_t n_t / sum_t p_t`; a label's score is `cos(f, n_i)`. In training the
    logits are the classifier's, `W mean(x) + b`; p is their sigmoid, since labels do not exclude each other.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        num_labels: N of training.
        top: T; all training labels where there are fewer.
    Raises:
        InputError: a T below 1.
    """

    seen: Tensor

    def __init__(self, channels: int, embed_dim: int, num_labels: int, top: int = 10):
        super().__init__()
        if top < 1:
            raise InputError(f"decoder.top {top} is below 1")
        self.top, self.embed_dim = min(top, num_labels), embed_dim
        self.classifier = PooledReadout(channels, num_labels)
        # no number until training: scores of an untrained readout are errors
        self.register_buffer("seen", torch.full((num_labels, embed_dim), torch.nan))

    def remember(self, vectors: Vectors | None) -> None:
        """Keeps the training labels' vectors, of which it mixes its answers."""
        with torch.no_grad():
            self.seen.copy_(checked(vectors, self.embed_dim))

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """The readout with its vocabulary; in training that of the classifier.

        Raises:
            InputError: no vectors, vectors of another size, in training of other labels than the classifier's.
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
                # a convex combination but for its length, which a cosine does not see
                mixed = torch.einsum("bt,bte->be", values, self.seen[labels])
                return F.normalize(mixed, dim=1) @ directions.T

        return scores
