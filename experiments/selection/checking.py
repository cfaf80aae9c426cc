"""How well a ranking foretells what its candidates have on the test set: the instrument of studies, not of choices."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from embeddings.io.reading import read_model
from experiments.grids.folder import GridFile, GridFolder
from experiments.grids.grid import Grid
from experiments.selection.candidates import Candidate
from experiments.selection.cells import Cell, read_cell
from experiments.selection.choice import Choice
from experiments.selection.plan import cells_of
from experiments.selection.precision import label_precision
from experiments.selection.ranking import CRITERIA, Criterion, criterion_values
from experiments.tables.text_table import TextTable

GRID = "grid.json"
ORACLE = "best on test"
RULES: dict[Criterion, str] = {
    "unseen": "held-out labels",
    "weighted": "held-out labels, by positives",
    "harmonic": "held-out and seen labels",
    "seen": "seen labels",
}
DRAWS = 5  # of halves of the test images
NOTE = (
    "Percent. Spearman is the rank correlation of a rule's values with the true unseen mAP. The regret is the unseen "
    "mAP that the best on the test set has more. The rules, on validation images: mAP of held-out labels; the same, "
    "each weighted by its positives; its harmonic mean with the mAP of seen labels; mAP of seen labels, as is usual. "
    "The last rule looks at the test set, as published code often does."
)


@dataclass(frozen=True)
class Row:
    """What a rule chooses among some candidates; figures are fractions.

    Args:
        among: the candidates.
        count: how many.
        rule: by which one is chosen.
        correlation: Spearman's, of the rule's values with the true unseen mAP.
        chosen: the candidate in words.
        unseen, seen: its mAP on the test set.
        regret: how much unseen mAP the best of these candidates has more.
    """

    among: str
    count: int
    rule: str
    correlation: float
    chosen: str
    unseen: float
    seen: float
    regret: float


class Halves(NamedTuple):
    """What the best on one half of the test images has: unseen mAP on this half, and on the other; means over draws."""

    chosen: float
    other: float


@dataclass(frozen=True)
class Check:
    """The rules, over all candidates and over simpler ones; `halves` tells how much the rule that looks flatters."""

    title: str
    rows: Sequence[Row]
    halves: Halves

    def notes(self) -> list[str]:
        """What the table means, and what looking at the test set does."""
        chosen, other = (100 * value for value in self.halves)
        told = f"The candidate that is best on one half of the test images has {chosen:.1f} % unseen mAP on this half"
        return [NOTE, f"{told}, and {other:.1f} % on the other half (means over {2 * DRAWS} halves)."]

    def table(self) -> TextTable:
        """In percent."""
        cells = []
        for one in self.rows:
            figures = [f"{100 * value:.1f}" for value in (one.unseen, one.seen, one.regret)]
            cells.append([f"{one.among} ({one.count:,})", one.rule, f"{one.correlation:.2f}", one.chosen, *figures])
        header = ("among", "rule", "Spearman", "chosen", "unseen mAP", "seen mAP", "regret")
        return TextTable(self.title, header, cells, left=2)

    def save(self, out: Path) -> None:
        """Writes `check.md` and `check.json`.

        Args:
            out: the selection's folder.
        """
        page = "\n\n".join([f"# {self.title}", self.table().markdown().rstrip(), *self.notes()])
        atomic.write_text(out / "check.md", page + "\n")
        content = {"rules": [asdict(one) for one in self.rows], "halves": self.halves._asdict()}
        atomic.write_text(out / "check.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


def tested_folder(grid: Grid, runs: Path) -> GridFolder:
    """The folder of a grid that was trained on all seen labels, perhaps under other seeds than asked.

    Args:
        grid: of the selection, as the user gave it.
        runs: the folder.
    Raises:
        InputError: no folder of a grid, or of another one.
    """
    if not (runs / GRID).is_file():
        raise InputError(f"{runs} is no folder of zsl ablate: it has no {GRID}")
    seeds = read_model(runs / GRID, GridFile, "give another --check").seeds
    folder = GridFolder(runs, replace(grid, seeds=seeds))
    folder.check()
    return folder


def check_choice(choice: Choice, tested: GridFolder, progress: Progress) -> Check:
    """Compares rules of choice with what the candidates have on the test set.

    Args:
        choice: the candidates, and their values on validation images.
        tested: the same grid, trained on all seen labels, with saved test scores.
        progress: called as candidates are measured.
    Raises:
        InputError: a run without saved scores; other labels than those of the selection.
    """
    groups = cells_of(tested.grid, len(choice.plan.variants))
    cells = [read_cell([tested.path / name for name in names]) for names in groups]
    test = cells[0].test
    if {*test.seen} != {*choice.precision.labels}:
        raise InputError(f"{tested.path} was trained on other seen labels than those of the selection")
    measured = label_precision(cells, choice.candidates, (*test.seen, *test.unseen), progress, "test")
    unseen, seen = criterion_values(measured, "unseen"), criterion_values(measured, "seen")
    sets = {
        "variants as they are": [r for r, one in enumerate(choice.candidates) if one.how == "none"],
        "variants, normalised or not": [r for r, one in enumerate(choice.candidates) if len(one.members) == 1],
        "all, blends too": list(range(len(choice.candidates))),
    }
    rows = []
    for among, chosen in sets.items():
        truth = unseen[chosen]
        rules = {RULES[name]: criterion_values(choice.precision, name)[chosen] for name in CRITERIA}
        for rule, values in {**rules, ORACLE: truth}.items():
            best = chosen[int(values.argmax())]
            told = choice.told(choice.candidates[best])
            found = (unseen[best], seen[best], truth.max() - unseen[best])
            rows.append(Row(among, len(chosen), rule, correlation(values, truth), told, *map(float, found)))
    halves = best_of_halves(cells, choice.candidates, progress)
    return Check(f"{choice.plan.asked.ablation.caption}, on the test set: {test.name}", rows, halves)


def best_of_halves(cells: Sequence[Cell], candidates: Sequence[Candidate], progress: Progress) -> Halves:
    """Chooses on one half of the test images, and measures on the other.

    Args:
        cells: of the seeds, on the same images.
        candidates: to choose from.
        progress: called as candidates are measured.
    """
    images, labels = len(cells[0].test.targets), (*cells[0].test.seen, *cells[0].test.unseen)
    found = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(images)
        halves = []
        for rows in (order[: images // 2], order[images // 2 :]):
            part = [cell.only(np.sort(rows)) for cell in cells]
            measured = label_precision(part, candidates, labels, progress, "halves", ("zsl",))
            halves.append(criterion_values(measured, "unseen"))
        for one, two in (halves, halves[::-1]):
            best = int(one.argmax())
            found.append((one[best], two[best]))
    return Halves(*map(float, np.mean(found, axis=0)))


def correlation(values: np.ndarray, truth: np.ndarray) -> float:
    """Spearman's rank correlation, 0 if one side is constant.

    Args:
        values, truth: (candidate,).
    """
    from scipy.stats import rankdata

    one, two = (rankdata(side) - (len(side) + 1) / 2 for side in (values, truth))
    scale = np.sqrt((one @ one) * (two @ two))
    return float(one @ two / scale) if scale else 0.0
