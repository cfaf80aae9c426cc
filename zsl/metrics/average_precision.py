"""Average precision of every label: exact, and fast enough for 10^5 images x 10^3 labels.

Only the ranks of the positives are needed, and positives are few. So scores are not sorted: they are counted in bins,
and only those that share a bin with a positive are sorted.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from zsl.metrics import device
from zsl.metrics.arrays import Scores, Targets, as_binary, as_known, as_scores, check_finite, on_device

ABSENT = ("nan", "zero")
AVERAGES = ("macro", "weighted", "micro")
BINS = 1 << 14  # their counts fit a core's cache
LABELS = 16  # columns of float32 that a cache line of a row holds
DENSE = 20  # with more than one positive per so many images, most bins hold one, and sorting is cheaper
FEW = 2_000  # for fewer images, sorting is faster than counting


def average_precision(scores: Scores, targets: Targets, annotated: Targets | None = None) -> Any:
    """Average precision of each label's image ranking.

    AP = sum_n (R_n - R_{n-1}) P_n; tied scores share a threshold, as in scikit-learn.

    Args:
        scores: (batch, label), numpy or torch; higher is more likely.
        targets: (batch, label), 0 or 1.
        annotated: (batch, label) bool; images without an annotation of a label are left out of its ranking (Open
            Images). None means that all entries are annotated.
    Returns:
        (label,) float64 in [0, 1], a tensor for tensors; NaN for a label without positives.
    Raises:
        ValueError: shapes differ, targets are not binary, or a score is not finite.
    """
    if on_device(scores):
        known = None if annotated is None else torch.as_tensor(annotated)
        return device.average_precision(scores, torch.as_tensor(targets), known)
    values = as_scores(scores)
    truth, mask = as_binary(targets, values.shape), as_known(annotated, values.shape)
    result = precision_of([values], [truth], None if mask is None else [mask])
    return torch.from_numpy(result) if isinstance(scores, torch.Tensor) else result


def precision_of(
    scores: Sequence[np.ndarray], targets: Sequence[np.ndarray], annotated: Sequence[np.ndarray] | None = None
) -> Float[np.ndarray, " label"]:
    """`average_precision` of checked arrays in batches, on as many threads as torch uses.

    Raises:
        ValueError: a score is not finite.
    """
    labels = scores[0].shape[1]
    result = np.full(labels, np.nan)
    threads = max(1, min(torch.get_num_threads(), -(-labels // LABELS)))
    starts = list(accumulate((len(part) for part in scores), initial=0))
    positives = _Positives(targets, starts)

    def work(thread: int) -> None:
        counter = _Counter(starts[-1], scores[0].dtype)
        columns = np.empty((LABELS, starts[-1]), scores[0].dtype)
        for first in range(thread * LABELS, labels, threads * LABELS):
            last = min(first + LABELS, labels)
            for part, start in zip(scores, starts, strict=False):
                columns[: last - first, start : start + len(part)] = part[:, first:last].T
            check_finite(columns[: last - first].T, 0, first)
            for label in range(first, last):
                ranking, rows = columns[label - first], positives.of(label)
                hits = ranking[rows]
                if annotated is not None:
                    known = np.concatenate([part[:, label] for part in annotated])
                    ranking, hits = ranking[known], hits[known[rows]]
                if len(hits):
                    result[label] = counter.average_precision(ranking, np.sort(hits))

    if threads == 1:
        work(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return result


class _Positives:
    """The images that show each label."""

    def __init__(self, targets: Sequence[np.ndarray], starts: Sequence[int]):
        labels = targets[0].shape[1]
        rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part, start in zip(targets, starts, strict=False):
            own, label = np.divmod(np.flatnonzero(part), labels)
            rows.append(own + start)
            columns.append(label)
        column = np.concatenate(columns)
        # a stable sort of 16 bits is numpy's radix sort
        order = np.argsort(column.astype(np.uint16) if labels < 1 << 16 else column, kind="stable")
        self.rows = np.concatenate(rows)[order]
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=labels))])

    def of(self, label: int) -> np.ndarray:
        return self.rows[self.starts[label] : self.starts[label + 1]]


class _Counter:
    """AP of one ranking after another, in reused memory: fresh pages cost more than the arithmetic."""

    def __init__(self, images: int, dtype: np.dtype):
        self.scaled = np.empty(images, dtype)
        self.places = np.empty(images, np.intp)
        self.near = np.empty(images, np.bool_)

    def average_precision(self, ranking: np.ndarray, hits: np.ndarray) -> float:
        """AP from the scores (image,) and the scores of the positives, ascending, at least one."""
        hits_above = len(hits) - np.searchsorted(hits, hits, side="left")
        return float(np.mean(hits_above / self._at_or_above(ranking, hits)))

    def _at_or_above(self, ranking: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """How many scores are as high as each hit, or higher."""
        with np.errstate(over="ignore"):
            low, span = hits[0], ranking.max() - hits[0]
        if len(ranking) < FEW or len(hits) * DENSE > len(ranking) or not 0 < span < np.inf:
            ranked = np.sort(ranking[ranking >= low])  # an image below the lowest positive enters no precision
            return len(ranked) - np.searchsorted(ranked, hits, side="left")
        scale = ranking.dtype.type(BINS) / span

        def place(values: np.ndarray, out: np.ndarray) -> np.ndarray:
            """Bins, from 1 at the lowest positive; rounding keeps their order, so no score is in a bin too high."""
            np.subtract(values, low, out=out)
            np.multiply(out, scale, out=out)
            np.add(out, 1, out=out)
            return np.maximum(out, 0, out=out)

        places, near = self.places[: len(ranking)], self.near[: len(ranking)]
        np.copyto(places, place(ranking, self.scaled[: len(ranking)]), casting="unsafe")
        counts = np.bincount(places, minlength=BINS + 2)
        own = place(hits, np.empty_like(hits)).astype(np.intp)
        shared = np.zeros(len(counts), np.bool_)
        shared[own] = True
        np.take(shared, places, out=near, mode="clip")
        ranked = np.sort(ranking[near])
        bins = place(ranked, np.empty_like(ranked)).astype(np.intp)
        in_higher_bins = len(ranking) - np.cumsum(counts)[own]
        return in_higher_bins + np.searchsorted(bins, own, side="right") - np.searchsorted(ranked, hits, side="left")


def mean_average_precision(
    scores: Scores,
    targets: Targets,
    absent: str = "nan",
    average: str = "macro",
    annotated: Targets | None = None,
) -> float:
    """Mean of `average_precision` over labels.

    Args:
        scores: (batch, label), numpy or torch.
        targets: (batch, label), 0 or 1.
        absent: how a label without positives counts: "nan" leaves it out; "zero" counts AP 0 and divides by all
            labels, as published code does.
        average: same as in scikit-learn: "macro" counts all labels equally; "weighted" weights them by their positives
            (`absent` then makes no difference); "micro" is the AP of one ranking of all (image, label) entries.
        annotated: same as for `average_precision`.
    Returns:
        A fraction in [0, 1]; NaN if no label has a positive and `absent` is "nan".
    Raises:
        ValueError: same as for `average_precision`; an unknown `absent` or `average`.
    """
    if average not in AVERAGES:
        raise ValueError(f"unknown average {average!r}; known: {sorted(AVERAGES)}")
    _check_absent(absent)
    if average == "micro":
        return _micro(scores, targets, absent, annotated)
    ap = average_precision(scores, targets, annotated)
    values = ap if isinstance(ap, np.ndarray) else ap.cpu().numpy()
    if average == "macro":
        return mean_over_labels(values, absent)
    shown = targets if annotated is None else targets * annotated
    counts = shown.sum(0)
    return weighted_mean(values, counts if isinstance(counts, np.ndarray) else counts.cpu().numpy())


def _micro(scores: Scores, targets: Targets, absent: str, annotated: Targets | None) -> float:
    if on_device(scores):
        known = None if annotated is None else torch.as_tensor(annotated).reshape(-1, 1)
        truths = torch.as_tensor(targets).reshape(-1, 1)
        value = float(device.average_precision(scores.reshape(-1, 1), truths, known)[0])
    else:
        values = as_scores(scores)
        truth, mask = as_binary(targets, values.shape), as_known(annotated, values.shape)
        check_finite(values)
        if mask is not None:
            values, truth = values[mask], truth[mask]
        hits = np.sort(values[truth])
        value = float("nan")
        if len(hits):
            ranked = values[values >= hits[0]]
            ranked.sort()
            above = len(ranked) - np.searchsorted(ranked, hits, side="left")
            value = float(np.mean((len(hits) - np.searchsorted(hits, hits, side="left")) / above))
    return 0.0 if absent == "zero" and np.isnan(value) else value


def mean_over_labels(values: Float[np.ndarray, " label"], absent: str = "nan") -> float:
    """Mean of per-label values; NaN marks a label without positives; `absent`: see `mean_average_precision`."""
    _check_absent(absent)
    if absent == "zero":
        return float(np.nan_to_num(values).mean())
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def weighted_mean(values: Float[np.ndarray, " label"], positives: np.ndarray) -> float:
    """Mean of per-label values, weighted by the labels' positives; NaN without positives."""
    present = positives > 0
    return float(np.average(values[present], weights=positives[present])) if present.any() else float("nan")


def _check_absent(absent: str) -> None:
    if absent not in ABSENT:
        raise ValueError(f"unknown absent {absent!r}; known: {sorted(ABSENT)}")
