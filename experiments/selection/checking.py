"""How well a ranking foretells what its candidates have on the test set: the instrument of studies, not of choices."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.selection.cells import read_cell
from experiments.selection.choice import Choice
from experiments.selection.precision import label_precision
from experiments.selection.ranking import CRITERIA, Criterion, criterion_values
from experiments.tables.text_table import TextTable

ORACLE = "best on test"
RULES: dict[Criterion, str] = {
    "unseen": "held-out labels",
    "weighted": "held-out labels, by positives",
    "harmonic": "held-out and seen labels",
    "seen": "seen labels",
}
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


@dataclass(frozen=True)
class Check:
    """The rules, over all candidates and over simpler ones."""

    title: str
    rows: Sequence[Row]

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
        atomic.write_text(out / "check.md", f"# {self.title}\n\n{self.table().markdown()}\n{NOTE}\n")
        rows = [asdict(one) for one in self.rows]
        atomic.write_text(out / "check.json", json.dumps(rows, indent=1, allow_nan=False) + "\n")


def check_choice(choice: Choice, runs: Path, progress: Progress) -> Check:
    """Compares rules of choice with what the candidates have on the test set.

    Args:
        choice: the candidates, and their values on validation images.
        runs: folder of the same grid, trained on all seen labels, with saved test scores.
        progress: called as candidates are measured.
    Raises:
        InputError: a run without saved scores; other labels than those of the selection.
    """
    cells = [read_cell([runs / name for name in names]) for names in choice.plan.cells_of_all_labels()]
    test = cells[0].test
    if {*test.seen} != {*choice.precision.labels}:
        raise InputError(f"{runs} was trained on other seen labels than those of the selection")
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
    return Check(f"{choice.plan.asked.ablation.caption}, on the test set: {test.name}", rows)


def correlation(values: np.ndarray, truth: np.ndarray) -> float:
    """Spearman's rank correlation, 0 if one side is constant.

    Args:
        values, truth: (candidate,).
    """
    from scipy.stats import rankdata

    one, two = (rankdata(side) - (len(side) + 1) / 2 for side in (values, truth))
    scale = np.sqrt((one @ one) * (two @ two))
    return float(one @ two / scale) if scale else 0.0
