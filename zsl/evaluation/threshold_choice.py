"""Chooses thresholds on probabilities: one for all labels, and one a label where there are enough positives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit

FOLDS = 5
WEIGHTS = (0.0, 0.5, 1.0)  # of a label's own threshold, against the common one
EDGE = 1e-9  # thresholds are mixed as log-odds, which are finite between the edges
Probabilities = Float[np.ndarray, "image label"]
Truth = Bool[np.ndarray, "image label"]


def best_threshold(probabilities: Float[np.ndarray, " entry"], targets: Bool[np.ndarray, " entry"]) -> float:
    """The threshold with the highest F1 of the entries above it.

    It lies in the middle between the lowest probability that is taken and the next lower one. Among equals the highest
    is chosen.

    Args:
        probabilities: (entry,) in [0, 1].
        targets: (entry,) whether each is positive.
    Returns:
        the threshold, in [0, 1).
    Raises:
        ValueError: no positive.
    """
    positives = int(targets.sum())
    if not positives:
        raise ValueError("a threshold needs a positive")
    order = np.argsort(-probabilities, kind="stable")
    values, hits = probabilities[order], np.cumsum(targets[order])
    ends = np.flatnonzero(np.append(values[1:] < values[:-1], values[-1] > 0))  # no threshold divides equal values
    if not len(ends):
        return 0.0  # all probabilities are 0, so none is above any threshold
    f1 = 2 * hits[ends] / (ends + 1 + positives)
    end = int(ends[f1.argmax()])
    lower = float(values[end + 1]) if end + 1 < len(values) else 0.0
    middle = (float(values[end]) + lower) / 2
    return middle if middle < values[end] else lower  # neighbouring numbers have no middle


@dataclass(frozen=True)
class LabelThresholds:
    """Thresholds of single labels, and how they were chosen.

    Args:
        thresholds: by column; empty if none is better than the common one.
        enough: how many labels have enough positives.
        f1: the mean F1 of these labels on images that did not choose the thresholds, by the weight of a label's own
            threshold; 0 is the common threshold for all.
        weight: the one with the highest F1.
    """

    thresholds: Mapping[int, float]
    enough: int
    f1: Mapping[float, float]
    weight: float


def label_thresholds(
    probabilities: Probabilities, targets: Truth, common: float, least: int, known: Truth | None = None
) -> LabelThresholds:
    """Thresholds of the labels with enough positives.

    A label's own threshold is the one with its highest F1. It is mixed with the common one, as log-odds: not at all,
    half, or fully replaced by it. Cross-validation over images chooses the mixture, by the mean F1 of these labels.

    Args:
        probabilities: (image, label).
        targets: (image, label).
        common: the threshold of all other labels.
        least: positives that a label needs.
        known: (image, label) which entries are annotated; None means all.
    Returns:
        the thresholds, with the F1 of each mixture.
    """
    known = np.ones_like(targets) if known is None else known
    shown = targets & known
    enough = np.flatnonzero(shown.sum(0) >= least)
    if not len(enough):
        return LabelThresholds({}, 0, {}, 0.0)
    f1 = _crossed(probabilities, shown, known, enough)
    weight = max(WEIGHTS, key=lambda one: f1[one])  # the lowest of equals
    own = _own(probabilities[:, enough], shown[:, enough], known[:, enough], common)
    chosen = dict(zip(enough.tolist(), _mixed(own, common, weight).tolist(), strict=True)) if weight else {}
    return LabelThresholds(chosen, len(enough), f1, weight)


def _crossed(probabilities: Probabilities, targets: Truth, known: Truth, labels: np.ndarray) -> dict[float, float]:
    """The mean F1 of some labels by weight; each image is judged by thresholds that the other images choose."""
    fold = np.random.default_rng(0).permutation(len(targets)) % FOLDS
    taken = {weight: np.zeros_like(targets[:, labels]) for weight in WEIGHTS}
    for number in range(FOLDS):
        rest, judged = fold != number, np.flatnonzero(fold == number)
        if not targets[rest].any():
            continue
        common = best_threshold(probabilities[rest][known[rest]], targets[rest][known[rest]])
        own = _own(probabilities[rest][:, labels], targets[rest][:, labels], known[rest][:, labels], common)
        for weight in WEIGHTS:
            above = probabilities[judged][:, labels] > _mixed(own, common, weight)
            taken[weight][judged] = above & known[judged][:, labels]
    shown = targets[:, labels]
    return {
        weight: float((2 * (chosen & shown).sum(0) / (chosen.sum(0) + shown.sum(0))).mean())
        for weight, chosen in taken.items()
    }


def _own(probabilities: Probabilities, targets: Truth, known: Truth, common: float) -> Float[np.ndarray, " label"]:
    """Each label's best threshold; the common one for a label without a positive."""
    return np.array(
        [
            best_threshold(values[mask], truth[mask]) if truth[mask].any() else common
            for values, truth, mask in zip(probabilities.T, targets.T, known.T, strict=True)
        ]
    )


def _mixed(own: Float[np.ndarray, " label"], common: float, weight: float) -> Float[np.ndarray, " label"]:
    if not weight:
        return np.full(len(own), common)
    ends = logit(np.clip([common], EDGE, 1 - EDGE)), logit(np.clip(own, EDGE, 1 - EDGE))
    return expit(ends[0] + weight * (ends[1] - ends[0]))
