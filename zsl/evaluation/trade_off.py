"""The trade-off of seen and unseen labels over every bias on seen logits, as a curve."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

if TYPE_CHECKING:
    import zsl.metrics.f1


def harmonic_mean(one: float, other: float) -> float:
    """`2 a b / (a + b)`, 0 if both are 0."""
    return 2 * one * other / (one + other) if one + other else 0.0


@dataclass(frozen=True)
class TradeOff:
    """Seen against unseen labels with a bias subtracted from all seen logits: calibrated stacking (Chao et al. 2016).

    Nothing changes between two neighbouring `shifts`, so this is the whole curve. Entry i holds for the shifts from
    `shifts[i]` (exclusive) to `shifts[i + 1]` (inclusive). The first entry begins at minus infinity.

    Args:
        k: labels taken per image.
        seen_positives, unseen_positives: number of positives of seen and of unseen labels.
        shifts: (step,) ascending, in the units of the scores.
        seen_hits, unseen_hits: (step,) positives among the taken labels.
        unseen_chosen, chosen: (step,) number of unseen labels, and of all labels, that are taken, over all images.
    """

    k: int
    seen_positives: int
    unseen_positives: int
    shifts: Float[np.ndarray, " step"]
    seen_hits: Int64[np.ndarray, " step"]
    unseen_hits: Int64[np.ndarray, " step"]
    unseen_chosen: Int64[np.ndarray, " step"]
    chosen: Int64[np.ndarray, " step"]

    @property
    def seen_recall(self) -> Float[np.ndarray, " step"]:
        """Share of the seen positives that are among the K best of all labels."""
        return self.seen_hits / max(self.seen_positives, 1)

    @property
    def unseen_recall(self) -> Float[np.ndarray, " step"]:
        """Share of the unseen positives that are among the K best of all labels."""
        return self.unseen_hits / max(self.unseen_positives, 1)

    @property
    def harmonic(self) -> Float[np.ndarray, " step"]:
        """Harmonic mean of the two recalls."""
        seen, unseen = self.seen_recall, self.unseen_recall
        total = seen + unseen
        return np.divide(2 * seen * unseen, total, out=np.zeros(len(total)), where=total > 0)

    @property
    def area(self) -> float:
        """Area under unseen recall as a function of seen recall (AUSUC, of recall at K), in [0, 1]."""
        # seen recall falls as the shift grows; as in Chao et al., lines join the points of the curve
        return float(0.0 - np.trapezoid(self.unseen_recall, self.seen_recall))  # a unary minus would turn 0 into -0

    def step(self, shift: float) -> int:
        """The entry that holds for a shift."""
        return max(int(np.searchsorted(self.shifts, shift, side="left")) - 1, 0)

    def f1(self, step: int, part: str = "all") -> "zsl.metrics.f1.F1":
        """Micro F1@K of all, the "seen" or the "unseen" labels, among the K best of all labels."""
        from zsl.metrics.f1 import F1  # this imports torch

        chosen, hits, positives = {
            "all": (self.chosen[step], self.seen_hits[step] + self.unseen_hits[step], self._positives),
            "seen": (self.chosen[step] - self.unseen_chosen[step], self.seen_hits[step], self.seen_positives),
            "unseen": (self.unseen_chosen[step], self.unseen_hits[step], self.unseen_positives),
        }[part]
        precision, recall = (float(hits / whole) if whole else 0.0 for whole in (chosen, positives))
        return F1(harmonic_mean(precision, recall), precision, recall)

    @property
    def _positives(self) -> int:
        return self.seen_positives + self.unseen_positives

    def inside(self, step: int) -> float:
        """A shift that an entry holds for: the middle of its range, or the finite end of a half-open one."""
        low, high = self.shifts[step], np.append(self.shifts, np.inf)[step + 1]
        if np.isinf(low):
            return float(high) if np.isfinite(high) else 0.0
        return float((low + high) / 2 if np.isfinite(high) else np.nextafter(low, np.inf))
