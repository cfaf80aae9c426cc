"""The files of a finished table: `report.md`, the same table as LaTeX and CSV, and a plot."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from embeddings.io import atomic
from embeddings.io.markup import drawn, markdown, markdown_code
from experiments.grids.variants import Ablation
from experiments.output.plots import new_plot
from experiments.tables.metric_table import Cell, MetricTable
from experiments.tables.notes import GMAC, paper_note, spread_note
from experiments.tables.table_folder import TableFolder
from zsl.runs.config import RunConfig, validated

PROTOCOLS = (
    '"unseen" ranks the unseen labels alone (ZSL), GZSL all labels; "seen mAP" is over the seen labels\nin GZSL. '
)


def save_table(folder: TableFolder, table: MetricTable, ablation: Ablation) -> None:
    """Writes `plot.png`, `table.tex`, `table.csv` and `report.md` into a table's folder.

    Args:
        folder: of the table, with its plan and command.
        table: its rows and columns.
        ablation: names the data of the published figures.
    Raises:
        InputError: the plan holds a config of another version.
    """
    text = table.text()
    save_plot(table, ablation, folder.path / "plot.png")
    atomic.write_text(folder.path / "table.tex", text.latex())
    atomic.write_text(folder.path / "table.csv", text.csv())
    atomic.write_text(folder.path / "report.md", report(folder, table, ablation))


def report(folder: TableFolder, table: MetricTable, ablation: Ablation) -> str:
    """The table in Markdown, with what it was made from and how to repeat it."""
    assert folder.plan is not None
    config = validated(folder.plan.config, str(folder.path / "grid.json"))
    note = paper_note(table, ablation)
    paper = f"\n{note}" if note else ""
    low = "".join(f"\n{markdown(line)}" for line in table.at_chance())
    closed = table.columns[0].metric == "closed/map"
    meaning = f"{spread_note(table)}. {'' if closed else PROTOCOLS}"
    made_from = "\n".join(f"- {name}: {value}" for name, value in _made_from(config, table).items())
    return f"""# {markdown(table.caption)}

{table.text().markdown()}
Percent; {meaning}F1@K is micro. Labels without a positive test image are left out of mAP. The epoch was
chosen on a validation part of the seen training data; the test set was scored once. {GMAC}{paper}{low}

![{"mAP" if closed else "unseen mAP"} by variant](plot.png)

{made_from}

Repeat with {markdown_code(folder.command or "")}; every run's config, weights and metrics are in `runs/`.
"""


def _made_from(config: RunConfig, table: MetricTable) -> dict[str, str]:
    """What a table was made from, by kind."""
    backbone = "none: the dataset holds tokens"
    if config.backbone is not None:
        trained = "trained on seen labels" if config.backbone.pretrain else "given weights"
        backbone = f"{config.backbone.name}, {trained}, {config.backbone.mode}"
    vectors = "by variant" if "encoder" in table.rows[0].axes else config.bank.file or config.bank.encoder
    sizes = [f"{k} {v}" for k, v in config.decoder.model_dump(exclude={"kind"}).items() if v is not None]
    return {
        "data": markdown(config.data.name),
        "word vectors": markdown(str(vectors)),
        "backbone": markdown(backbone),
        "readout": markdown(", ".join([config.decoder.kind, *sizes])),
        "seeds": ", ".join(map(str, table.seeds)),
    }


def save_plot(table: MetricTable, ablation: Ablation, path: Path) -> None:
    """Bars of unseen mAP (of a closed set: mAP) by variant, with the seeds' spread, chance and the paper's figures."""
    main = table.columns[0]
    columns = [column for column in table.main if column.title.startswith(main.title)]
    with new_plot(path, (7.5, 4)) as (figure, axes):
        places = np.arange(len(table.rows))
        width = 0.8 / len(columns)
        for index, column in enumerate(columns):
            means, spread = _bars(column.cells)
            offset = places + (index - (len(columns) - 1) / 2) * width
            bars = axes.bar(offset, means, width, yerr=spread, capsize=3, label=drawn(column.title))
            axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
        if main.chance is not None:
            chance = 100 * main.chance
            axes.axhline(chance, color="black", linestyle=":", linewidth=1, label=f"chance ({chance:.1f})")
        paper = [np.nan if value is None else 100 * value for value in main.paper]
        if not np.isnan(paper).all():
            label = f"paper ({ablation.published}, {main.title})"
            axes.plot(places, paper, "kD", markersize=5, fillstyle="none", label=label)
        axes.set_xticks(places, [_axis_title(row.axes) for row in table.rows], fontsize=8)
        axes.set_ylabel(f"{main.title} [%]")
        axes.set_title(drawn(table.caption, 100), fontsize=10, loc="left")
        axes.margins(y=0.12)
        figure.legend(fontsize=8, loc="outside lower center", ncols=4, frameon=False)


def _bars(cells: tuple[Cell | None, ...]) -> tuple[np.ndarray, np.ndarray | None]:
    """Means and spreads in percent, NaN without a value; no spread under one seed."""
    values = [np.array([np.nan]) if cell is None else 100 * np.array(cell.values) for cell in cells]
    several = max(map(len, values)) > 1
    spread = [one.std(ddof=1) if len(one) > 1 else np.nan for one in values]
    return np.array([one.mean() for one in values]), np.array(spread) if several else None


def _axis_title(axes: Mapping[str, str]) -> str:
    if len(axes) == 1:
        (value,) = axes.values()
        return "\n".join(textwrap.wrap(drawn(value, 100).replace("+", " + ").replace(":", ": "), 22))
    return "\n".join(f"{axis}: {drawn(value)}" for axis, value in axes.items())
