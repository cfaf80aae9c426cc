"""A trained readout on top of a closed form: it learns what the closed form leaves."""

from abc import ABC
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.company import Company
from zsl.readouts.eszsl import EszslReadout
from zsl.readouts.looks import Look
from zsl.readouts.normalisation import normalised, scale_of
from zsl.readouts.readout import Features, Logits, Maps, Readout, ReadoutConfig, Seen, Vectors, checked, exact


class ResidualConfig(ReadoutConfig, ABC):
    """The base of configs whose readout may be trained on top of a closed form."""

    residual: Literal["none", "eszsl"] = "none"

    @property
    def frozen(self) -> str:
        return "with decoder.residual is solved in part" if self.residual != "none" else super().frozen

    def on_closed_form(self, trained: Readout, channels: int, embed_dim: int, num_labels: int) -> Readout:
        """The readout, or a `ResidualReadout` of it if `residual` asks for it.

        Args:
            trained: the readout that this config makes.
            channels, embed_dim, num_labels: same as for `make`.
        Raises:
            InputError: a readout that is no function of word vectors.
        """
        if self.residual == "none":
            return trained
        if not (self.open_vocabulary and self.reads_vectors):
            raise InputError(f"residual = {self.residual!r} needs a readout of word vectors: {self.opened_by}")
        return ResidualReadout(EszslReadout(channels, embed_dim), trained, num_labels)


class ResidualReadout(Readout):
    """`s e_i + f_i`: a trained readout's logit f_i, and a closed form's score e_i of the same label.

    e_i is standardised by the mean and the deviation of the image's scores of the seen labels. It is solved before
    training, and then stays as it is; s is learnt and begins at 1. The readout begins as it does without a closed form:
    a factor of f_i that begins at 0 grows too slowly to be of use in a few hundred steps.

    Args:
        closed: the closed form.
        trained: the readout that is trained.
        num_labels: N, the number of training labels.
    """

    seen: Tensor

    def __init__(self, closed: EszslReadout, trained: Readout, num_labels: int):
        super().__init__()
        self.closed, self.trained = closed, trained
        self.scale = nn.Parameter(torch.ones(1))
        self.companies, self.reads_whole = trained.companies, trained.reads_whole
        self.looks = ("evidence",) if "evidence" in trained.looks else ()
        # NaN until training, so that scores of an untrained readout are an error
        self.register_buffer("seen", torch.full((num_labels, closed.embed_dim), torch.nan))

    def remember(self, vectors: Vectors | None) -> None:
        """Stores the word vectors of the training labels, whose scores are the measure of an image's scores."""
        with torch.no_grad():
            self.seen.copy_(checked(vectors, self.closed.embed_dim))
        self.trained.remember(vectors)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds both readouts to a vocabulary.

        Raises:
            InputError: same as for the trained readout.
        """
        return self._sum(self.trained.bind(vectors), vectors)

    def bind_each(
        self,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        without: Int64[Tensor, " label"] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """Asks the trained readout for each label by itself; the closed form always does so.

        Raises:
            InputError: same as for the trained readout.
        """
        return self._sum(self.trained.bind_each(vectors, company, trained, without), vectors)

    def _sum(self, learnt: Callable[[Tensor], Tensor], vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        scores = self._scores(vectors)

        def logits(features: Features) -> Logits:
            found = learnt(features)
            with exact(found):
                return self.scale * normalised(*scores(features), "image") + found

        return logits

    def _scores(self, vectors: Vectors | None) -> Callable[[Tensor], tuple[Logits, Float[Tensor, "batch seen"]]]:
        """A function from features to the closed form's scores of the labels, and of the seen labels."""
        chosen = checked(vectors, self.closed.embed_dim)
        labels = chosen.shape[0]  # unlike len, it may be any number in an exported graph
        both = self.closed.bind(torch.cat([chosen.to(self.seen.dtype), self.seen]))

        def scores(features: Tensor) -> tuple[Tensor, Tensor]:
            found = both(features)
            return found[:, :labels], found[:, labels:]

        return scores

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """The evidence of both; what the mean takes from the closed form's score is taken from all tokens alike."""
        mean, spread = scale_of(self._scores(vectors)(features)[1])
        learnt = self.trained.looked(features, vectors, company, trained, look)
        solved = self.closed.looked(features, vectors)
        return learnt + self.scale * (solved - mean[..., None] / solved.shape[-1]) / spread[..., None]
