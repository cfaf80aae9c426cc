"""Precision, recall and F1 of the labels that are taken: the K best of every image, or those above a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from zsl.metrics import device
from zsl.metrics.arrays import (
    Scores,
    Targets,
    as_array,
    as_binary,
    as_known,
    as_scores,
    check_finite,
    on_device,
    row_blocks,
)

F1_AVERAGES = ("micro", "macro", "label")


class F1(NamedTuple):
    """F1 with its precision and recall, fractions in [0, 1]: numbers, or arrays (label,)."""

    f1: Any
    precision: Any
    recall: Any


@dataclass(frozen=True)
class Counts:
    """The counts that F1 is computed from, by label.

    Args:
        hits: positives that were taken.
        chosen: entries that were taken.
        positives: entries that are positive.
    """

    hits: Int64[np.ndarray, " label"]
    chosen: Int64[np.ndarray, " label"]
    positives: Int64[np.ndarray, " label"]

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.hits + other.hits, self.chosen + other.chosen, self.positives + other.positives)

    def __getitem__(self, labels: slice) -> "Counts":
        return Counts(self.hits[labels], self.chosen[labels], self.positives[labels])

    def micro(self) -> F1:
        """Over all entries ("overall"): the protocol's F1@K.

        Raises:
            ValueError: no positives, so that recall is undefined.
        """
        positives = int(self.positives.sum())
        if not positives:
            raise ValueError("targets hold no positive, so recall is undefined")
        hits, chosen = int(self.hits.sum()), int(self.chosen.sum())
        precision, recall = hits / chosen if chosen else 0.0, hits / positives
        return F1(2 * precision * recall / (precision + recall) if hits else 0.0, precision, recall)

    def per_label(self) -> F1:
        """Of each label, (label,) float64; 0 where nothing is taken or nothing is positive, as in scikit-learn."""
        precision = _ratio(self.hits, self.chosen)
        recall = _ratio(self.hits, self.positives)
        return F1(_ratio(2 * self.hits, self.chosen + self.positives), precision, recall)

    def macro(self) -> F1:
        """Means of `per_label` over all labels, as in scikit-learn (the field's "per class")."""
        return F1(*(float(values.mean()) for values in self.per_label()))

    def of(self, average: str) -> F1:
        """One of the three by name: "micro", "macro", "label".

        Raises:
            ValueError: an unknown name; no positives, for "micro".
        """
        if average not in F1_AVERAGES:
            raise ValueError(f"unknown average {average!r}; known: {sorted(F1_AVERAGES)}")
        return {"micro": self.micro, "macro": self.macro, "label": self.per_label}[average]()


def _ratio(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " label"]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def f1_at_k(scores: Scores, targets: Targets, k: int, average: str = "micro", annotated: Targets | None = None) -> F1:
    """F1 of the K best labels of every image.

    Micro: `precision = TP / (batch K)`, `recall = TP / positives`. Among tied scores at the K-th place the lower label
    index wins, so the result does not depend on a sort's internals.

    Args:
        scores: (batch, label), numpy or torch.
        targets: (batch, label), 0 or 1.
        k: labels taken per image, 1 to the number of labels.
        average: "micro"; "macro", the mean over labels; or "label", arrays.
        annotated: (batch, label) bool; other entries count neither as taken nor as positive, but keep their place
            among the K best. None means that all entries are annotated.
    Returns:
        F1(f1, precision, recall), fractions.
    Raises:
        ValueError: same as for `average_precision`; k out of range; no positives at all, for "micro".
    """
    return top_k_counts(scores, targets, (k,), annotated)[k].of(average)


def f1_at_threshold(
    scores: Scores, targets: Targets, threshold: float, average: str = "micro", annotated: Targets | None = None
) -> F1:
    """F1 of the labels whose score is above a threshold; otherwise the same as `f1_at_k`.

    Args:
        scores, targets, average, annotated: same as for `f1_at_k`.
        threshold: in the units of the scores; a logit above 0 is a probability above one half.
    Returns:
        F1(f1, precision, recall), fractions.
    Raises:
        ValueError: same as for `average_precision`; no positives at all, for "micro".
    """
    return threshold_counts(scores, targets, threshold, annotated).of(average)


def top_k_counts(
    scores: Scores, targets: Targets, ks: Sequence[int], annotated: Targets | None = None
) -> dict[int, Counts]:
    """The counts of `f1_at_k` at several K, in one pass.

    Raises:
        ValueError: same as for `f1_at_k`.
    """
    scores, truth, known = as_tensors(scores, targets, annotated)
    images, labels = scores.shape
    for k in ks:
        if not 1 <= k <= labels:
            raise ValueError(f"k = {k} is not between 1 and the {labels} labels")
    totals = {k: torch.zeros(2, labels, dtype=torch.int64, device=scores.device) for k in ks}
    for rows in row_blocks(images) if ks else ():
        best = best_labels(scores[rows], max(ks))
        taken = torch.ones_like(best, dtype=torch.bool) if known is None else known[rows].gather(1, best)
        hits = truth[rows].gather(1, best) & taken
        for k, total in totals.items():
            total[0] += best[:, :k][hits[:, :k]].bincount(minlength=labels)
            total[1] += best[:, :k][taken[:, :k]].bincount(minlength=labels)
    positives = _positives(truth, known)
    taken_of = {k: total.cpu().numpy() for k, total in totals.items()}
    return {k: Counts(hits, chosen, positives) for k, (hits, chosen) in taken_of.items()}


def best_labels(scores: Float[Tensor, "batch label"], k: int) -> Int64[Tensor, "batch k"]:
    """The K best labels of each image, best first; among tied scores the lower index is first."""
    more = scores.topk(min(k + 1, scores.shape[1]), dim=1)
    best = more.indices[:, :k]
    tied = (more.values[:, 1:] == more.values[:, :-1]).any(1)
    if bool(tied.any()):  # topk does not define their order
        best[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    return best


def threshold_counts(scores: Scores, targets: Targets, threshold: float, annotated: Targets | None = None) -> Counts:
    """The counts of `f1_at_threshold`.

    Raises:
        ValueError: same as for `average_precision`.
    """
    scores, truth, known = as_tensors(scores, targets, annotated)
    hits = torch.zeros(scores.shape[1], dtype=torch.int64, device=scores.device)
    chosen = torch.zeros_like(hits)
    for rows in row_blocks(len(scores)):
        taken = scores[rows] > threshold
        taken = taken if known is None else taken & known[rows]
        chosen += taken.sum(0)
        hits += (taken & truth[rows]).sum(0)
    return Counts(hits.cpu().numpy(), chosen.cpu().numpy(), _positives(truth, known))


def _positives(truth: Tensor, known: Tensor | None) -> Int64[np.ndarray, " label"]:
    total = torch.zeros(truth.shape[1], dtype=torch.int64, device=truth.device)
    for rows in row_blocks(len(truth)):
        total += (truth[rows] if known is None else truth[rows] & known[rows]).sum(0)
    return total.cpu().numpy()


def as_tensors(scores: Scores, targets: Targets, annotated: Targets | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """All arguments, checked, as tensors on the scores' device; they are only copied if necessary."""
    if on_device(scores):
        known = None if annotated is None else torch.as_tensor(as_array(annotated))
        return device.checked(scores, torch.as_tensor(as_array(targets)), known)
    values = as_scores(scores)
    truth, mask = as_binary(targets, values.shape), as_known(annotated, values.shape)
    for rows in row_blocks(len(values)):
        check_finite(values[rows], rows.start)
    return _tensor(values), _tensor(truth), None if mask is None else _tensor(mask)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values if values.flags.writeable else values.copy())  # torch warns about read-only memory
