"""Logits of words, each of which does not depend on the other words asked; in blocks, so that memory is bounded."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import not_finite
from zsl.prediction.words import Words
from zsl.readouts.company import Company, chosen_company
from zsl.scoring import SPOILT

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

BLOCK = 4096  # labels asked at once, at most
QUERIES = 65_536  # pictures times labels asked at once: with ffn = 2048, a decoder's hidden values are half a gigabyte
KEPT = 20_000  # labels that stay bound from batch to batch


class Asked:
    """A model with words: tokens of pictures to logits, block of labels by block.

    Args:
        model: the trained model.
        words: names and vectors.
        company: in which group each label is asked (`Readout.bind_each`); "grouped" asks them together, as in the
            paper, so that a label's score depends on the others and their order. None takes the readout's own choice.
        context: device and precision.
    Raises:
        InputError: the readout has no such company.
    """

    def __init__(self, model: "TrainedModel", words: Words, company: Company | None, context: Context):
        self.model, self.words, self.context = model, words, context
        self.company = company_of(model, company)
        self.seen = self._vectors(model.bank.select(model.facts.seen))
        count = len(words.labels)
        size = count if self.company == "grouped" else max(1, min(BLOCK, QUERIES // context.batch_size))
        self.blocks = [range(start, min(start + size, count)) for start in range(0, count, size)]
        self.bound = {block: self._bound(block) for block in self.blocks} if count <= KEPT else {}
        self.normalisation = model.normalisation.independent(model.softmax)
        self.bound_seen = None if self.normalisation.how == "none" else self._bind(self.seen)

    def _vectors(self, vectors: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(vectors)).to(self.context.device, self.model.dtype)

    def _bound(self, block: range) -> Callable[[Tensor], Tensor]:
        return self._bind(self._vectors(self.words.vectors[block.start : block.stop]))

    def _bind(self, vectors: Tensor) -> Callable[[Tensor], Tensor]:
        if self.company == "grouped":
            return self.model.readout.bind(vectors)
        return self.model.readout.bind_each(vectors, self.company, self.seen)

    def logits(self, tokens: Tensor) -> Iterator[tuple[range, Tensor]]:
        """The logits of a batch: for each block, its labels and (picture, label) float32.

        Args:
            tokens: (picture, token, channel), of `model.tokens`.
        Returns:
            blocks in order; normalised, if the model does that. A model that was trained with the loss "softmax" gives
            at least log-probabilities of the label among the seen labels and itself.
        Raises:
            InputError: logits that are not finite.
        """
        reference = None if self.bound_seen is None else self.bound_seen(tokens).float()
        for block in self.blocks:
            bound = self.bound.get(block) or self._bound(block)
            found = bound(tokens).float()
            if reference is not None:
                found = self.normalisation.of(found, reference, self.words.seen[block.start : block.stop])
            if not_finite(found) is not None:
                raise InputError(f"scores are not finite: {SPOILT}")
            yield block, found


def company_of(model: "TrainedModel", asked: Company | None) -> Company | None:
    """The company in which a model's labels are asked; None for a readout that has no groups.

    Raises:
        InputError: the readout has no such company.
    """
    choices = model.readout.companies
    if asked is None:
        chosen = None if model.thresholds is None else model.thresholds.company
        return chosen or next(iter(choices), None)
    if asked == "grouped" and choices:
        return asked
    return chosen_company(asked, choices, type(model.readout).__name__)
