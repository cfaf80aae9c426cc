"""Chooses the bias on seen logits, with models that were trained without some seen labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from zsl.evaluation.trade_off import TradeOff


@dataclass(frozen=True)
class Fold:
    """A model that was trained without some seen labels, and what a bias does for those.

    Args:
        curve: the trade-off of the labels that it was trained on ("seen") and of those left out ("unseen"), on
            validation images.
        seen, unseen: number of these labels.
    """

    curve: TradeOff
    seen: int
    unseen: int

    @property
    def readiness(self) -> Float[np.ndarray, " step"]:
        """How readily unseen labels are taken: (step,) `u / (u + s)`, ascending along the curve.

        u and s are the shares of all unseen and of all seen labels that are among the K best, over the images; 0.5 is
        no preference. Models differ in the scale of their scores and in the distance between the two kinds of labels,
        so one model's bias means nothing to another. Readiness has no unit.
        """
        unseen = self.curve.unseen_chosen / self.unseen
        seen = (self.curve.chosen - self.curve.unseen_chosen) / self.seen
        total = unseen + seen
        return np.divide(unseen, total, out=np.full(len(total), 0.5), where=total > 0)

    def steps(self, readiness: Float[np.ndarray, " wanted"]) -> np.ndarray:
        """The entries of the curve with each readiness, or with the nearest one below it."""
        return np.maximum(np.searchsorted(self.readiness, readiness, side="right") - 1, 0)

    def harmonic(self, readiness: Float[np.ndarray, " wanted"]) -> Float[np.ndarray, " wanted"]:
        """The harmonic mean of the two recalls at a readiness."""
        return self.curve.harmonic[self.steps(readiness)]

    def shift(self, readiness: float) -> float:
        """The bias that gives this model a readiness: the middle of the range that does."""
        (step,) = self.steps(np.array([readiness], np.float64))
        return self.curve.inside(int(step))

    @property
    def unbiased(self) -> float:
        """The harmonic mean without a bias."""
        return float(self.curve.harmonic[self.curve.step(0)])


@dataclass(frozen=True)
class Choice:
    """A readiness that was chosen on some folds, and its effect: harmonic means of the two recalls, in [0, 1].

    Args:
        readiness: the one with the best mean over all folds.
        harmonic: of each fold at this readiness.
        unbiased: of each fold without a bias.
        crossed: of each fold at the readiness that the other folds would choose.
    """

    readiness: float
    harmonic: tuple[float, ...]
    unbiased: tuple[float, ...]
    crossed: tuple[float, ...]

    @property
    def helps(self) -> bool:
        """Whether each fold gains at the readiness that the others choose, on labels that this choice did not use."""
        return all(with_bias > without for with_bias, without in zip(self.crossed, self.unbiased, strict=True))


def choose(folds: Sequence[Fold]) -> Choice:
    """Chooses the readiness with the best mean, over folds, of the harmonic mean of the two recalls.

    Args:
        folds: at least two, which left out different labels.
    """
    best = _best(folds)
    others = [_best([*folds[:place], *folds[place + 1 :]]) for place in range(len(folds))]
    return Choice(
        best,
        tuple(float(fold.harmonic(np.array([best]))[0]) for fold in folds),
        tuple(fold.unbiased for fold in folds),
        tuple(float(fold.harmonic(np.array([other]))[0]) for fold, other in zip(folds, others, strict=True)),
    )


def _best(folds: Sequence[Fold]) -> float:
    candidates = np.unique(np.concatenate([fold.readiness for fold in folds]))
    mean = np.mean([fold.harmonic(candidates) for fold in folds], axis=0)
    best = np.flatnonzero(mean == mean.max())
    return float(candidates[best[len(best) // 2]])
