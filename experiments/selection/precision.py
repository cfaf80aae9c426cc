"""The AP of each label under each candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from embeddings.io.progress import Progress
from experiments.selection.candidates import Candidate
from experiments.selection.cells import ASKED, Cell

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
    cells: Sequence[Cell], candidates: Sequence[Candidate], labels: Sequence[str], progress: Progress, task: str
) -> Precision:
    """Computes the AP of each label under each candidate.

    Args:
        cells: of the seeds and folds.
        candidates: of the cells' variants.
        labels: every label of the cells.
        progress: called after each cell.
        task: its name in progress reports.
    """
    column = {label: place for place, label in enumerate(labels)}
    sums = {asked: np.zeros((len(candidates), len(labels))) for asked in ASKED}
    counts = {asked: np.zeros(len(labels), np.int64) for asked in ASKED}
    positives = np.zeros(len(labels), np.int64)
    for done, cell in enumerate(cells):
        named = {"zsl": cell.test.unseen, "seen": cell.test.seen}
        for asked in ASKED:
            columns = np.array([column[label] for label in named[asked]])
            shown = cell.truth[asked].shown.sum(0)
            columns, present = columns[shown > 0], shown > 0
            counts[asked][columns] += 1
            if asked == "zsl":
                positives[columns] = shown[present]
            for row, candidate in enumerate(candidates):
                sums[asked][row, columns] += cell.precision(candidate, asked)[present]
        cell.forget()
        progress(task, done + 1, len(cells), f"{len(candidates):,} candidates")
    with np.errstate(invalid="ignore"):
        unseen, seen = (sums[asked] / counts[asked] for asked in ASKED)
    return Precision(tuple(labels), unseen, seen, positives)
