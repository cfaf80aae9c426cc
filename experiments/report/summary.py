"""A table's cells: means, spread over seeds, intervals over images, and what differs from the best beyond luck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.report.folder import Run, Table, title_of
from experiments.tables.metric_table import metric_columns
from zsl.evaluation.uncertainty import holm, paired_p

LEVEL = 0.05  # of significance
PROTOCOLS = ("zsl", "gzsl", "seen", "closed")
COUNTS = ("coverage",)  # metrics of protocols that are no fractions
LOWER = ("ranking_loss", "coverage", "unseen_recall_lost")  # is better


@dataclass(frozen=True)
class Cell:
    """A variant's figure: fractions.

    `values` has one entry a seed. `interval` is the 95 % bootstrap interval over test images, its ends averaged over
    seeds. `p` is the adjusted p-value of the paired test against the column's best; None for the best itself and where
    there are too few seeds.
    """

    values: tuple[float, ...]
    interval: tuple[float, float] | None
    best: bool = False
    p: float | None = None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds, where there are several."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def tied(self) -> bool:
        """Whether its difference to the best may be luck."""
        return self.p is not None and self.p >= LEVEL


@dataclass(frozen=True)
class Column:
    """A metric: its cells in the order of the variants (None without a value), and what chance, the backbone's own
    readout and the paper have.

    `main` columns are shown unless others are asked for; in them the best is marked and compared, where it is known
    which way is better. A `fraction` lies in [0, 1] and is shown in percent.
    """

    metric: str
    title: str
    main: bool
    fraction: bool
    cells: tuple[Cell | None, ...]
    chance: float | None
    baseline: float | None
    paper: tuple[float | None, ...]


def columns_of(table: Table) -> list[Column]:
    """Every metric that a run has, those that tables show first."""
    metrics: dict[str, float] = {}
    for run in table.runs:
        metrics |= {name: value for name, value in run.metrics.items() if name not in metrics}
    scores = {name: value for name, value in metrics.items() if name.startswith(PROTOCOLS)}
    titles = {name: title for name, title in metric_columns(scores).items() if name in metrics}
    titles |= {name: name for name in metrics if name not in scores}  # speeds, sizes
    rest = [name for name in metrics if name not in titles and not name.endswith("_chance")]
    return [_column(table, name, titles.get(name), metrics.get(f"{name}_chance")) for name in [*titles, *rest]]


def _column(table: Table, name: str, title: str | None, chance: float | None) -> Column:
    runs = [[run for run in table.of(axes) if name in run.metrics] for axes in table.variants]
    cells = [_cell(chosen, name) if chosen else None for chosen in runs]
    measure, scored = name.rpartition("/")[2].partition("@")[0], name.startswith(PROTOCOLS)
    if title is not None and scored:
        sign = -1 if measure in LOWER else 1
        cells = _compared(cells, [{r.seed: r.metrics[name] for r in chosen} for chosen in runs], sign)
    return Column(
        metric=name,
        title=title or name,
        main=title is not None,
        fraction=scored and measure not in COUNTS,
        cells=tuple(cells),
        chance=chance,
        baseline=table.baseline.get(name),
        paper=tuple(table.paper.get(title_of(axes), {}).get(name) for axes in table.variants),
    )


def _cell(runs: list[Run], name: str) -> Cell:
    intervals = [run.measured.intervals.get(name) for run in runs if run.measured is not None]
    whole = [interval for interval in intervals if interval is not None]
    ends = np.mean(whole, axis=0).tolist() if len(whole) == len(runs) else None
    return Cell(tuple(run.metrics[name] for run in runs), None if ends is None else (ends[0], ends[1]))


def _compared(cells: list[Cell | None], by_seed: Sequence[Mapping[int, float]], sign: int) -> list[Cell | None]:
    """The cells with the best marked and the others tested against it over their common seeds."""
    there = [index for index, cell in enumerate(cells) if cell is not None]
    if len(there) < 2:
        return cells
    best = max(there, key=lambda index: sign * cells[index].mean)  # type: ignore[union-attr]
    rest = [index for index in there if index != best]
    p_values = []
    for index in rest:
        seeds = sorted(by_seed[index].keys() & by_seed[best].keys())
        pairs = ([by_seed[which][seed] for seed in seeds] for which in (index, best))
        p_values.append(paired_p(*(np.array(values) for values in pairs)))
    adjusted = dict(zip(rest, holm(p_values).tolist(), strict=True))
    compared: list[Cell | None] = []
    for index, cell in enumerate(cells):
        p = adjusted.get(index, float("nan"))
        marked = cell and Cell(cell.values, cell.interval, index == best, None if np.isnan(p) else p)
        compared.append(marked)
    return compared
