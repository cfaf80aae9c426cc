"""The files of a finished table: `report.md`, the same table as LaTeX and CSV, and a plot."""

import textwrap
from pathlib import Path
from typing import Any

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
        trained = "trained on seen labels" if config.backbone.pretraining else "given weights"
        backbone = f"{config.backbone.name}, {trained}, {config.backbone.mode}"
    vectors = "by variant" if "encoder" in table.rows[0].axes else config.bank.file or config.bank.encoder
    return {
        "data": markdown(config.data.name),
        "word vectors": markdown(str(vectors)),
        "backbone": markdown(backbone),
        "readout": markdown(readout_told(config.decoder.model_dump())),
        "seeds": ", ".join(map(str, table.seeds)),
    }


def readout_told(values: dict[str, Any]) -> str:
    """A readout's kind and keys; the members of a blend with theirs."""
    members = [f"({readout_told(member)})" for member in values.pop("members", ())]
    keys = [f"{key} {value}" for key, value in values.items() if key != "kind" and value not in (None, {})]
    blended = [f"members {' + '.join(members)}"] if members else []
    return ", ".join([values["kind"], *blended, *keys])


def save_plot(table: MetricTable, ablation: Ablation, path: Path) -> None:
    """Bars of unseen mAP (of a closed set: mAP) by variant, with the seeds' spread, chance and the paper's figures.

    Names are on the left and figures on the right, so that nothing overlaps however many variants there are.
    """
    main = table.columns[0]
    columns = [column for column in table.main if column.title.startswith(main.title)]
    width = 0.8 / len(columns)
    height = 1.3 + len(table.rows) * max(0.45, 0.2 * len(columns) + 0.1)
    with new_plot(path, (7.5, height)) as (figure, axes):
        places = np.arange(len(table.rows))
        for index, column in enumerate(columns):
            means, spread = _bars(column.cells)
            offset = places + (index - (len(columns) - 1) / 2) * width
            axes.barh(offset, means, width, xerr=spread, capsize=2, label=drawn(column.title))
            for place, mean in zip(offset, means, strict=True):
                figures = axes.get_yaxis_transform()
                axes.text(
                    1.01, place, "" if np.isnan(mean) else f"{mean:.1f}", transform=figures, va="center", fontsize=8
                )
        if main.chance is not None:
            chance = 100 * main.chance
            axes.axvline(chance, color="black", linestyle=":", linewidth=1, label=f"chance ({chance:.1f})")
        paper = [np.nan if value is None else 100 * value for value in main.paper]
        if not np.isnan(paper).all():
            label = f"paper ({ablation.published}, {main.title})"
            axes.plot(paper, places, "kD", markersize=5, markerfacecolor="white", label=label)
        axes.set_yticks(places, [_wrapped(row.name) for row in table.rows], fontsize=8)
        axes.set_ylim(len(table.rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"{main.title} [%]")
        axes.set_title(drawn(table.caption, 100), fontsize=10, loc="left")
        figure.legend(fontsize=8, loc="outside lower center", ncols=2, frameon=False)


def _bars(cells: tuple[Cell | None, ...]) -> tuple[np.ndarray, np.ndarray | None]:
    """Means in percent, NaN without a value; and their spreads (2, row) down and up, which end at 0 and 100.

    There is no spread under one seed.
    """
    values = [np.array([np.nan]) if cell is None else 100 * np.array(cell.values) for cell in cells]
    means = np.array([one.mean() for one in values])
    if max(map(len, values)) < 2:
        return means, None
    spread = np.array([one.std(ddof=1) if len(one) > 1 else np.nan for one in values])
    return means, np.stack([np.minimum(spread, means), np.minimum(spread, 100 - means)])


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(drawn(name, 100).replace("+", " + "), 30))
