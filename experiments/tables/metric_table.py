"""The one model of a table of variants: its rows, columns and cells, made once from the table's folder.

The console, Markdown, LaTeX, CSV, the plot and the HTML page all show this model, so that they agree in every
figure and mark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.config.advice import FIRST, WORDLESS
from experiments.tables.table_folder import FinishedRun, TableFolder, title_of
from experiments.tables.text_table import TextTable
from experiments.tables.variant_names import short_names
from zsl.evaluation.metric_names import parsed, shown_columns
from zsl.evaluation.uncertainty import against_best, at_chance

FEW = 4  # seeds: fewer alone tell only very large differences from none, so a mark would read as a tie
LEVEL = 0.05  # of significance
NOT_APART = "°"  # marks figures that do not differ significantly from the best


@dataclass(frozen=True)
class Cell:
    """A variant's value of a metric; fractions are not converted to percent.

    Args:
        values: one for each seed.
        interval: 95 % bootstrap interval over test images, its ends averaged over seeds; None where a run has none.
        replicates: of each seed, (replicate,) bootstrap values over the same draws of test images; None where a run has
            none.
        best: whether the mean is the column's best.
        p: adjusted p-value of the paired test against the best; None for the best itself, and where nothing is tested.
    """

    values: tuple[float, ...]
    interval: tuple[float, float] | None
    replicates: tuple[np.ndarray, ...] | None = field(default=None, compare=False, repr=False)
    best: bool = False
    p: float | None = None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds; None under one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def tied(self) -> bool:
        """Whether it does not differ significantly from the best."""
        return self.p is not None and self.p >= LEVEL


@dataclass(frozen=True)
class Column:
    """A metric of all variants.

    Args:
        metric: its name.
        title: in the header.
        main: whether it is shown by default. In main columns of metrics the best is marked, and the
            others are compared with it.
        measured: whether it is measured on test images, and so varies with the seed; costs do not.
        fraction: whether it lies in [0, 1] and is shown in percent.
        cells: one for each row; None where no run has the metric.
        chance: the figure of a random ranking, if it is known.
        baseline: the figure of the backbone's own readout, if it was trained here.
        paper: the published figure of each row, None where there is none.
        images: whether the tests are over seeds and test images; else they are over seeds alone.
    """

    metric: str
    title: str
    main: bool
    measured: bool
    fraction: bool
    cells: tuple[Cell | None, ...]
    chance: float | None
    baseline: float | None
    paper: tuple[float | None, ...]
    images: bool = False

    @property
    def tested(self) -> bool:
        """Whether variants are compared with the best."""
        return any(cell is not None and cell.p is not None for cell in self.cells)

    def figure(self, value: float | None) -> str:
        """A value as tables show it: one decimal for percent and for 100 or more, else three significant digits.

        A cost that is a whole number, such as the size of a batch, has no decimal.
        """
        if value is None:
            return ""
        if not self.measured and value.is_integer():
            return f"{value:.0f}"
        shown = 100 * value if self.fraction else value
        return f"{shown:.1f}" if self.fraction or shown >= 100 else f"{shown:.3g}"

    def published(self, value: float | None) -> str:
        """A published figure with its own decimals, in percent at least one; "" without a figure."""
        if value is None:
            return ""
        text = f"{100 * value if self.fraction else value:.4g}"
        return f"{text}.0" if self.fraction and "." not in text else text

    def spread(self, cell: Cell) -> str:
        """The spread over seeds; "" under one seed, and of costs, which no seed changes."""
        return self.figure(cell.spread) if self.measured else ""

    def text(self, cell: Cell | None) -> str:
        """A cell in one line: mean, spread, and the mark for no significant difference from the best."""
        if cell is None:
            return ""
        spread = f" ± {self.spread(cell)}" if self.spread(cell) else ""
        return self.figure(cell.mean) + spread + (f" {NOT_APART}" if cell.tied else "")


@dataclass(frozen=True)
class Row:
    """A variant.

    Args:
        axes: its values as text, by axis.
        name: what tells it from the other variants.
        note: what a reader should know of it; "" for nothing.
        whole: whether all seeds of the table are finished. Means over other seeds do not compare, so a row that is not
            whole is neither the best nor tested.
    """

    axes: Mapping[str, str]
    name: str
    note: str
    whole: bool

    @property
    def names(self) -> list[str]:
        """The cells of the axes, with the note in the last one."""
        *names, last = self.axes.values()
        return [*names, f"{last} ({self.note})" if self.note else last]


@dataclass(frozen=True)
class MetricTable:
    """A table: rows, columns, and the seeds that its runs have."""

    caption: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]

    @property
    def main(self) -> list[Column]:
        """The columns that are shown by default."""
        return [column for column in self.columns if column.main]

    def whole(self) -> "MetricTable":
        """The table of the rows that are whole."""
        kept = [place for place, row in enumerate(self.rows) if row.whole]
        columns = [
            replace(column, cells=tuple(column.cells[i] for i in kept), paper=tuple(column.paper[i] for i in kept))
            for column in self.columns
        ]
        return replace(self, rows=tuple(self.rows[i] for i in kept), columns=tuple(columns))

    def text(self) -> TextTable:
        """Rows, main columns and the paper's figures as text; then the backbone's own readout and chance, if known."""
        main, axes = self.main, list(self.rows[0].axes)
        papers = [column for column in main if any(value is not None for value in column.paper)]
        header = [*axes, *(column.title for column in main), *(f"paper: {column.title}" for column in papers)]
        rows = [
            [
                *row.names,
                *(column.text(column.cells[place]) for column in main),
                *(column.published(column.paper[place]) for column in papers),
            ]
            for place, row in enumerate(self.rows)
        ]
        blank, beside = [""] * (len(axes) - 1), [""] * len(papers)
        if any(column.baseline is not None for column in main):
            own = (column.figure(column.baseline) for column in main)
            rows.append(["backbone's own readout", *blank, *own, *beside])
        if any(column.chance is not None for column in main):
            rows.append(["chance", *blank, *(column.figure(column.chance) for column in main), *beside])
        return TextTable(self.caption, header, rows, left=len(axes))

    def at_chance(self) -> tuple[str, ...]:
        """A line that names the variants whose first metric, as the mean over seeds, is at chance; () if none is."""
        column = self.columns[0]
        cells = zip(self.rows, column.cells, strict=True)
        chance = column.chance
        low = [row for row, cell in cells if cell and chance is not None and at_chance(cell.mean, chance)]
        names = ", ".join(row.name for row in low)
        unseen = f"{WORDLESS}; for others try more train.epochs, or another bank.encoder"
        remedy = unseen if column.metric == "zsl/map" else f"{FIRST}, then more train.epochs"
        return (f"At chance by {column.title}: {names}; {remedy}.",) if low else ()


def metric_table(folder: TableFolder) -> MetricTable:
    """The rows and columns of a table's folder: every metric of its runs, beginning with those that tables show."""
    seeds = sorted({run.seed for run in folder.runs})
    runs = [folder.of(axes) for axes in folder.variants]
    rows = tuple(
        Row(axes, name, folder.note(axes), [run.seed for run in own] == seeds)
        for axes, name, own in zip(folder.variants, short_names(folder.variants), runs, strict=True)
    )
    metrics: dict[str, float] = {}
    for run in folder.runs:
        metrics |= {name: value for name, value in run.metrics.items() if name not in metrics}
    titles = shown_columns(metrics)
    titles |= {name: name for name in metrics if parsed(name) is None}  # costs
    rest = [name for name in metrics if name not in titles and not name.endswith("_chance")]
    columns = [_column(folder, rows, runs, name, titles.get(name)) for name in [*titles, *rest]]
    return MetricTable(folder.caption, rows, tuple(columns), tuple(seeds))


def _column(
    folder: TableFolder, rows: Sequence[Row], runs: Sequence[Sequence[FinishedRun]], metric: str, title: str | None
) -> Column:
    cells = [_cell([run for run in own if metric in run.metrics], metric) for own in runs]
    name = parsed(metric)
    images = False
    if title is not None and name is not None:
        cells, images = _compared(cells, [row.whole for row in rows], name.facts.lower)
    chance = (run.metrics.get(f"{metric}_chance") for run in folder.runs)
    return Column(
        metric=metric,
        title=title or metric,
        main=title is not None,
        measured=name is not None,
        fraction=name is not None and name.facts.fraction,
        cells=tuple(cells),
        chance=next((value for value in chance if value is not None), None),
        baseline=folder.baseline.get(metric),
        paper=tuple(folder.paper.get(title_of(row.axes), {}).get(metric) for row in rows),
        images=images,
    )


def _cell(runs: Sequence[FinishedRun], metric: str) -> Cell | None:
    if not runs:
        return None
    intervals = [run.measured.intervals.get(metric) for run in runs if run.measured is not None]
    there = [interval for interval in intervals if interval is not None]
    ends = np.mean(there, axis=0).tolist() if len(there) == len(runs) else None
    drawn = tuple(run.replicates[metric] for run in runs if run.replicates is not None and metric in run.replicates)
    return Cell(
        tuple(run.metrics[metric] for run in runs),
        None if ends is None else (ends[0], ends[1]),
        drawn if len(drawn) == len(runs) else None,
    )


def _compared(cells: Sequence[Cell | None], whole: Sequence[bool], lower: bool) -> tuple[list[Cell | None], bool]:
    """The cells with the best of the whole rows marked, and the other whole rows tested against it.

    Returns:
        the cells, and whether the tests are over test images too: all runs have replicates.
    """
    there = [(place, cell) for place, cell in enumerate(cells) if cell is not None and whole[place]]
    seeds = max((len(cell.values) for _, cell in there), default=0)
    there = [(place, cell) for place, cell in there if len(cell.values) == seeds]
    if len(there) < 2:
        return list(cells), False
    drawn = [cell.replicates for _, cell in there if cell.replicates is not None]
    images = len(drawn) == len(there)
    enough = images or seeds >= FEW
    best, p_values = against_best([cell.values for _, cell in there], lower, drawn if images else None)
    compared = list(cells)
    for index, ((place, cell), p) in enumerate(zip(there, p_values.tolist(), strict=True)):
        compared[place] = replace(cell, best=index == best, p=p if enough and not np.isnan(p) else None)
    return compared, images
