"""The AP of each label under each candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from embeddings.io.progress import Progress
from experiments.selection.candidates import Candidate
from experiments.selection.cells import ASKED, Asked, Cell

Table = Float[np.ndarray, "candidate label"]


@dataclass(frozen=True)
class Precision:
    """AP by candidate and label, means over cells; NaN for a label without a positive, or that was never so asked.

    Args:
        labels: their names.
        unseen: AP as a label that no training image names, asked among such labels alone.
        seen: AP as a seen label, asked among seen labels alone.
        positives: (label,) images that show the label, of the cells in which it is unseen.
    """

    labels: tuple[str, ...]
    unseen: Table
    seen: Table
    positives: Int[np.ndarray, " label"]

    def beside(self, other: "Precision") -> "Precision":
        """The same labels under these candidates, and then under those of `other`."""
        unseen, seen = (np.concatenate(both) for both in ((self.unseen, other.unseen), (self.seen, other.seen)))
        return Precision(self.labels, unseen, seen, self.positives)

    def of(self, rows: Sequence[int]) -> "Precision":
        """Of some candidates."""
        return Precision(self.labels, self.unseen[list(rows)], self.seen[list(rows)], self.positives)


def label_precision(
    cells: Sequence[Cell],
    candidates: Sequence[Candidate],
    labels: Sequence[str],
    progress: Progress,
    task: str,
    asked: Sequence[Asked] = ASKED,
) -> Precision:
    """Computes the AP of each label under each candidate.

    Args:
        cells: of the seeds and folds.
        candidates: of the cells' variants.
        labels: every label of the cells.
        progress: called after each cell.
        task: its name in progress reports.
        asked: the protocols; the AP of another one is NaN.
    """
    column = {label: place for place, label in enumerate(labels)}
    sums = {protocol: np.zeros((len(candidates), len(labels))) for protocol in ASKED}
    counts = {protocol: np.zeros(len(labels), np.int64) for protocol in ASKED}
    positives = np.zeros(len(labels), np.int64)
    for done, cell in enumerate(cells):
        named = {"zsl": cell.test.unseen, "seen": cell.test.seen}
        for protocol in asked:
            columns = np.array([column[label] for label in named[protocol]])
            shown = cell.truth[protocol].shown.sum(0)
            columns, present = columns[shown > 0], shown > 0
            counts[protocol][columns] += 1
            if protocol == "zsl":
                positives[columns] = shown[present]
            for row, candidate in enumerate(candidates):
                sums[protocol][row, columns] += cell.precision(candidate, protocol)[present]
        cell.forget()
        progress(task, done + 1, len(cells), f"{len(candidates):,} candidates")
    with np.errstate(invalid="ignore"):
        unseen, seen = (sums[protocol] / counts[protocol] for protocol in ASKED)
    return Precision(tuple(labels), unseen, seen, positives)
