"""Criteria by which candidates are ranked, and how sure the ranking is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from experiments.selection.candidates import Candidate
from experiments.selection.precision import Precision
from zsl.evaluation.uncertainty import interval

Criterion = Literal["unseen", "weighted", "harmonic", "seen"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
MEANING: dict[Criterion, str] = {
    "unseen": "mAP of the held-out labels",
    "weighted": "mAP of the held-out labels, each weighted by its positives",
    "harmonic": "harmonic mean of the mAPs of held-out and of seen labels",
    "seen": "mAP of the seen labels",
}
REPLICATES = 1000  # draws of labels
Values = Float[np.ndarray, " candidate"]


@dataclass(frozen=True)
class Ranked:
    """A candidate's place in the ranking; all figures are fractions.

    Args:
        candidate: what is ranked.
        row: its number among all candidates.
        value: of the criterion.
        unseen, seen: mAP of held-out labels, and of seen labels, on validation images.
        behind: how far the value lies behind that of the first, and the 95 % interval of this difference over draws of
            labels.
        level: whether the interval reaches 0, so that labels like these cannot tell the two apart.
    """

    candidate: Candidate
    row: int
    value: float
    unseen: float
    seen: float
    behind: tuple[float, float, float]
    level: bool


def criterion_values(precision: Precision, criterion: Criterion) -> Values:
    """The value of a criterion for each candidate.

    Args:
        precision: of the candidates.
        criterion: one of `CRITERIA`.
    """
    return _drawn(precision, criterion, np.ones((1, len(precision.labels))))[0]


def ranked(precision: Precision, candidates: Sequence[Candidate], criterion: Criterion) -> list[Ranked]:
    """The candidates, best first; of equally good ones, the one with fewer members, then the earlier one.

    The interval of a difference is that of a bootstrap over labels: which differences hold for other labels too? All
    candidates are compared on the same draws. How models would differ with other images or seeds is not in it.

    Args:
        precision: of the candidates.
        candidates: in the order of the rows.
        criterion: one of `CRITERIA`.
    """
    values = criterion_values(precision, criterion)
    unseen, seen = criterion_values(precision, "unseen"), criterion_values(precision, "seen")
    order = sorted(range(len(values)), key=lambda row: (-values[row], len(candidates[row].members), row))
    labels = len(precision.labels)
    draws = np.random.default_rng(0).multinomial(labels, np.full(labels, 1 / labels), size=REPLICATES)
    drawn = _drawn(precision, criterion, draws)
    found = []
    for row in order:
        behind = drawn[:, order[0]] - drawn[:, row]
        low, high = interval(behind, ends=(-1.0, 1.0))
        difference = float(values[order[0]] - values[row])
        figures = float(values[row]), float(unseen[row]), float(seen[row])
        found.append(Ranked(candidates[row], row, *figures, (difference, low, high), low <= 0))
    return found


def _drawn(
    precision: Precision, criterion: Criterion, draws: Float[np.ndarray, "draw label"]
) -> Float[np.ndarray, "draw candidate"]:
    """The criterion over labels that are counted as often as each draw says."""
    if criterion == "seen":
        return _mean(precision.seen, draws)
    if criterion == "weighted":
        return _mean(precision.unseen, draws * precision.positives)
    unseen = _mean(precision.unseen, draws)
    if criterion == "unseen":
        return unseen
    seen = _mean(precision.seen, draws)
    total = unseen + seen
    return np.divide(2 * unseen * seen, total, out=np.zeros_like(total), where=total > 0)


def _mean(ap: Float[np.ndarray, "candidate label"], weights: Float[np.ndarray, "draw label"]) -> np.ndarray:
    """Weighted means over the labels with an AP, which are the same for all candidates; NaN for a draw without any."""
    present = ~np.isnan(ap[0])
    kept = weights[:, present].astype(np.float64)
    with np.errstate(invalid="ignore"):
        found: np.ndarray = kept @ ap[:, present].T / kept.sum(1, keepdims=True)
    return found
