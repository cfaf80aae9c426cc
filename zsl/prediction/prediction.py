"""Predictions: for each picture, the best words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.prediction.asking import Asked
from zsl.prediction.pictures import Pictures
from zsl.prediction.thresholds import Thresholds

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

Threshold = float | Literal["auto"] | None


@dataclass(frozen=True)
class Found:
    """A word that was found in a picture.

    Args:
        label: the word.
        score: from 0 to 1. With thresholds of `zsl threshold` it is a calibrated probability.
        logit: as the model computes it.
        seen: whether the model was trained on the label.
    """

    label: str
    score: float
    logit: float
    seen: bool


@dataclass(frozen=True)
class Prediction:
    """The words found in a picture, best first; `fault` says why the picture could not be read ("" if it could)."""

    name: str
    found: tuple[Found, ...]
    fault: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which words of a picture are wanted.

    Args:
        top: at most so many; None for no limit.
        threshold: only words with at least this score; "auto" takes the thresholds that `zsl threshold` chose.
    Raises:
        InputError: a number that is not possible.
    """

    top: int | None = 5
    threshold: Threshold = None

    def __post_init__(self) -> None:
        top: Any = self.top
        least: Any = self.threshold
        if top is not None and not (isinstance(top, Integral) and int(top) >= 1):
            raise InputError(f"top = {top!r}: give a whole number, 1 or more")
        auto = isinstance(least, str) and least == "auto"
        if not (least is None or auto or (isinstance(least, Real) and 0 <= float(least) <= 1)):
            raise InputError(f"threshold {least!r}: give a number from 0 to 1, or auto")


@dataclass
class _Best:
    """The best labels so far: (picture, rank) places in the vocabulary, keys that rank them, and logits."""

    labels: Tensor
    keys: Tensor
    logits: Tensor

    def merged(self, other: "_Best", top: int | None) -> "_Best":
        """The best of both; of equal keys, those of `self` are first."""
        pairs = (self.labels, other.labels), (self.keys, other.keys), (self.logits, other.logits)
        labels, keys, logits = (torch.cat(pair, 1) for pair in pairs)
        order = keys.argsort(dim=1, descending=True, stable=True)[:, :top]
        return _Best(*(values.gather(1, order) for values in (labels, keys, logits)))


class Predictor:
    """A model with words, which says what it finds in pictures.

    Args:
        asked: the model with the words.
        wanted: which words are returned.
    Raises:
        InputError: `threshold = "auto"` for a model without thresholds.
    """

    def __init__(self, asked: Asked, wanted: Wanted):
        self.asked, self.wanted = asked, wanted
        self.thresholds: Thresholds | None = asked.model.thresholds
        self.calibrated = self.thresholds is not None and not asked.model.softmax
        if wanted.threshold == "auto" and self.thresholds is None:
            raise InputError("threshold auto: the model has no thresholds; run zsl threshold RUN first")

    def of(self, tokens: Tensor, step: Callable[[int], None] = lambda blocks: None) -> list[tuple[Found, ...]]:
        """The words found in each picture of a batch.

        Args:
            tokens: (picture, token, channel), of `model.tokens`.
            step: called after each block of words, with the number of blocks that are done.
        """
        best: _Best | None = None
        for done, (block, logits) in enumerate(self.asked.logits(tokens), 1):
            found = self._best_of(block, logits.cpu())
            best = found if best is None else best.merged(found, self.wanted.top)
            step(done)
        assert best is not None
        return [self._found(*row) for row in zip(best.labels, best.keys, best.logits, strict=True)]

    def _best_of(self, block: range, logits: Tensor) -> _Best:
        words, chosen = self.asked.words, slice(block.start, block.stop)
        keys = logits
        if self.calibrated:
            assert self.thresholds is not None
            keys = torch.from_numpy(self.thresholds.scaled(logits.numpy(), words.seen[chosen]))
        kept = keys.masked_fill(~self._taken(self._scores(keys), chosen), -torch.inf)
        order = kept.argsort(dim=1, descending=True, stable=True)[:, : self.wanted.top]
        return _Best(order + block.start, kept.gather(1, order), logits.gather(1, order))

    def _taken(self, scores: Tensor, chosen: slice) -> Tensor:
        words, least = self.asked.words, self.wanted.threshold
        if least is None:
            return torch.ones_like(scores, dtype=torch.bool)
        if least != "auto":
            return scores >= least
        assert self.thresholds is not None
        return torch.from_numpy(self.thresholds.taken(scores.numpy(), words.labels[chosen], words.seen[chosen]))

    def _scores(self, keys: Tensor) -> Tensor:
        """From 0 to 1: of log-probabilities their exponential; of logits, and of calibrated log-odds, the sigmoid."""
        return keys.exp() if self.asked.normalisation.how == "softmax" and not self.calibrated else keys.sigmoid()

    def _found(self, labels: Tensor, keys: Tensor, logits: Tensor) -> tuple[Found, ...]:
        words, found = self.asked.words, []
        for label, key, score, logit in zip(labels, keys, self._scores(keys), logits, strict=True):
            if not torch.isneginf(key):
                place = int(label)
                found.append(Found(words.labels[place], float(score), float(logit), bool(words.seen[place])))
        return tuple(found)


def token_batches(
    model: "TrainedModel", pictures: Pictures, context: Context
) -> Iterator[tuple[list[int], Tensor | None, dict[int, str]]]:
    """The tokens of pictures, batch by batch: places, (picture, token, channel) or None, and faults by place."""
    assert model.backbone is not None
    for places, pixels, faults in pictures.batches(context.batch_size, context.workers):
        if pixels is None:
            yield places, None, faults
            continue
        with torch.inference_mode(), context.accelerator.autocast():
            yield places, model.tokens(pixels.to(context.device, non_blocking=True)), faults


def predictions(predictor: Predictor, pictures: Pictures) -> Iterator[Prediction]:
    """The prediction of each picture, in order; a picture that cannot be read has a fault.

    Args:
        predictor: model, words and what is wanted.
        pictures: to read.
    Returns:
        an iterator; at most a few batches are in memory.
    """
    model, context = predictor.asked.model, predictor.asked.context
    total, done, blocks = len(pictures), 0, len(predictor.asked.blocks)

    def step(block: int) -> None:
        """A batch of a large vocabulary takes long, so progress counts pictures times blocks of words."""
        if block == blocks:
            return  # told when the batch is written
        note = f"{done:,} of {total:,} pictures" if blocks > 1 else ""
        context.progress("predict", done * blocks + len(places) * block, total * blocks, note)

    for places, tokens, faults in token_batches(model, pictures, context):
        made: dict[int, Any] = {place: Prediction(pictures.name(place), (), fault) for place, fault in faults.items()}
        if tokens is not None:
            with torch.inference_mode(), context.accelerator.autocast():
                found = predictor.of(tokens, step)
            made |= {p: Prediction(pictures.name(p), f) for p, f in zip(places, found, strict=True)}
        done += len(made)
        yield from (made[place] for place in sorted(made))
        places = []
        step(0)


def logits_of(asked: Asked, tokens: Tensor) -> np.ndarray:
    """The logits of a batch, of all words at once.

    Args:
        asked: model with words.
        tokens: (picture, token, channel).
    Returns:
        (picture, label) float32.
    """
    found = np.empty((len(tokens), len(asked.words.labels)), np.float32)
    for block, logits in asked.logits(tokens):
        found[:, block.start : block.stop] = logits.cpu().numpy()
    return found
