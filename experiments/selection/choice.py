"""The result of a selection, and its files: the ranking, and the config of the best candidate."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.io import atomic
from embeddings.io.progress import Progress
from experiments.config.recipes import as_toml
from experiments.selection.candidates import Candidate, blend_key, chosen_values
from experiments.selection.cells import read_cell
from experiments.selection.plan import Plan, cells_of
from experiments.selection.precision import Precision, label_precision
from experiments.selection.ranking import CRITERIA, MEANING, Criterion, Ranked, criterion_values, ranked
from experiments.selection.search import Search
from experiments.tables.text_table import TextTable

SHOWN = 15  # candidates in a table
FILES = "selection.md, selection.json, chosen.toml, runs/"


@dataclass(frozen=True)
class Choice:
    """What was ranked.

    Args:
        plan: the grid and the folds.
        criterion: of the ranking.
        candidates: in the order of the rows of `precision`.
        precision: of the held-out and of the seen labels, on validation images.
        ranking: best first.
    """

    plan: Plan
    criterion: Criterion
    candidates: Sequence[Candidate]
    precision: Precision
    ranking: Sequence[Ranked]

    @property
    def title(self) -> str:
        """Of the table."""
        return f"{self.plan.asked.ablation.caption}, ranked by the {MEANING[self.criterion]} on validation images"

    def told(self, candidate: Candidate) -> str:
        """A candidate in words."""
        return candidate.told(self.plan.variants)

    def table(self) -> TextTable:
        """The first candidates, in percent."""
        rows = [
            [
                str(place),
                self.told(one.candidate),
                f"{100 * one.unseen:.1f}",
                f"{100 * one.seen:.1f}",
                "" if place == 1 else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * value for value in one.behind)),
                "level" if one.level and place > 1 else "",
            ]
            for place, one in enumerate(self.ranking[:SHOWN], 1)
        ]
        header = ("", "candidate", "held-out mAP", "seen mAP", "behind the first (95 %)", "")
        return TextTable(self.title, header, rows, left=2)

    def notes(self) -> list[str]:
        """What the table means."""
        plan, level = self.plan, sum(one.level for one in self.ranking) - 1
        names, present = len(self.precision.labels), np.count_nonzero(~np.isnan(self.precision.unseen[0]))
        held = f"{plan.used} of {plan.held.folds} folds of the {names} seen labels were held out"
        return [
            f"{len(self.ranking):,} candidates of {len(plan.variants)} variants; {held}, {present} of them "
            "with a positive among the validation images.",
            f"{level:,} of the other candidates are level with the first: the 95 % interval of the difference, over "
            "draws of labels, reaches 0.",
        ]

    def save(self, out: Path) -> None:
        """Writes `selection.md`, `selection.json` and `chosen.toml`.

        Args:
            out: the selection's folder.
        """
        best = self.ranking[0].candidate
        page = f"# {self.title}\n\n{self.table().markdown()}\n" + "\n".join(f"- {line}" for line in self.notes()) + "\n"
        atomic.write_text(out / "selection.md", page)
        atomic.write_text(out / "selection.json", json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n")
        head = f"# chosen by zsl select: {' '.join(self.told(best).split())}\n"
        atomic.write_text(out / "chosen.toml", head + as_toml(chosen_values(best, self.plan.configs)))

    def as_json(self) -> dict[str, Any]:
        """For files."""
        values = {name: criterion_values(self.precision, name) for name in CRITERIA}
        return {
            "criterion": self.criterion,
            "folds": self.plan.held.folds,
            "used": self.plan.used,
            "seeds": self.plan.asked.seeds,
            "variants": [variant.settings for variant in self.plan.variants],
            "candidates": [
                {
                    "name": self.told(one.candidate),
                    **asdict(one.candidate),
                    "behind": one.behind,
                    "level": one.level,
                    **{name: float(values[name][one.row]) for name in CRITERIA},
                }
                for one in self.ranking
            ],
        }


def choose(plan: Plan, out: Path, size: int, criterion: Criterion, progress: Progress) -> Choice:
    """Ranks the candidates of a selection whose runs are finished.

    Args:
        plan: the grid and the folds.
        out: the folder of the runs.
        size: number of members that a blend has at most; 1 for no blends.
        criterion: of the ranking.
        progress: called as candidates are measured.
    Raises:
        InputError: scores are missing or damaged.
    """
    cells = [read_cell([out / name for name in names]) for names in cells_of(plan.grid, len(plan.variants))]
    labels = sorted({*cells[0].test.seen, *cells[0].test.unseen})

    def measure(candidates: Sequence[Candidate], task: str) -> Precision:
        return label_precision(cells, candidates, labels, progress, task)

    search = Search(measure, criterion, [blend_key(config) for config in plan.configs])
    precision = search.run(size)
    return Choice(plan, criterion, search.candidates, precision, ranked(precision, search.candidates, criterion))
