"""Which labels are found in place of a label that an image shows."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.f1 import best_labels


@dataclass(frozen=True)
class Confusion:
    """How often a label is missed, and what is found instead.

    Args:
        positives: number of images that show the label.
        missed: how many of them do not have it among their K best labels.
        instead: (label, images): wrong labels among the K best of those images, the most frequent first.
    """

    positives: int
    missed: int
    instead: tuple[tuple[int, int], ...]


def confusions(
    scores: Scores, targets: Targets, k: int, annotated: Targets | None = None, most: int = 5
) -> list[Confusion]:
    """For each label, the wrong labels that are most often ranked above it where it is missed.

    A label is missed in an image that shows it if it is not among the image's K best labels. All of these rank above
    it; those of them that the image does not show are found instead. Among tied scores the lower label index is better,
    as for F1@K.

    Args:
        scores: (batch, label), numpy or torch; higher is more likely.
        targets: (batch, label), 0 or 1.
        k: number of labels found in an image, 1 to the number of labels.
        annotated: (batch, label) bool; entries that nobody annotated are neither missed nor wrong. None means that all
            entries are annotated.
        most: number of labels named for each label; of equally frequent ones the lower index comes first.
    Returns:
        one entry for each label.
    Raises:
        ValueError: shapes differ, targets are not binary, a score is not finite, or k is out of range.
    """
    values = as_scores(as_array(scores))
    truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
    labels = values.shape[1]
    if not 1 <= k <= labels:
        raise ValueError(f"k = {k} is not between 1 and the {labels} labels")
    positives, missed = np.zeros(labels, np.int64), np.zeros(labels, np.int64)
    pairs = csr_array((labels, labels), dtype=np.int32)
    for rows in row_blocks(len(values)):
        check_finite(values[rows], rows.start)
        found = np.zeros(values[rows].shape, np.bool_)
        best = best_labels(torch.from_numpy(np.ascontiguousarray(values[rows])), k).numpy()
        np.put_along_axis(found, best, values=True, axis=1)
        valid = True if known is None else known[rows]
        shown = truth[rows] & valid
        lost, wrong = shown & ~found, found & ~truth[rows] & valid
        positives += shown.sum(0)
        missed += lost.sum(0)
        pairs = pairs + csr_array(lost.astype(np.int32)).T @ csr_array(wrong.astype(np.int32))
    return [Confusion(int(positives[i]), int(missed[i]), _most_frequent(pairs.tocsr(), i, most)) for i in range(labels)]


def _most_frequent(pairs: csr_array, row: int, most: int) -> tuple[tuple[int, int], ...]:
    own = slice(pairs.indptr[row], pairs.indptr[row + 1])
    labels, counts = pairs.indices[own], pairs.data[own]
    order = np.lexsort((labels, -counts))[:most]
    return tuple(zip(labels[order].tolist(), counts[order].tolist(), strict=True))
