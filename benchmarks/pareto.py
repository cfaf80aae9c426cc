"""Unseen mAP against cost, over the rows of several tables on the same test set."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from embeddings.io.errors import InputError
from experiments.grids.variants import COST
from experiments.output.plots import legend_below, name_points, new_plot
from experiments.tables.table_folder import read_table_folder

UNSEEN, SEEN = "zsl/map", "seen/map"
UNSAID = ("none", "true", "false", "asymmetric")  # values of axes that a name does not need
Rows = dict[str, dict[str, float]]


def rows_of(folders: list[Path]) -> Rows:
    """Means over seeds of cost and mAP, by the name of a row; percent, and 10^6 multiply-accumulates.

    Args:
        folders: of tables; a row that several have is taken from the first.
    Raises:
        InputError: a folder that holds no table; tables on different test sets.
    """
    found: Rows = {}
    chances = set()
    for folder in folders:
        own = defaultdict(list)
        for run in read_table_folder(folder).runs:
            own[" ".join(value for value in run.axes.values() if value not in UNSAID)].append(run.metrics)
            chances.add(round(run.metrics[f"{UNSEEN}_chance"], 9))
        for name, seeds in own.items():
            mean = {key: float(np.mean([metrics[key] for metrics in seeds])) for key in (COST, UNSEEN, SEEN)}
            row = {"cost": 1e3 * mean[COST], "unseen": 100 * mean[UNSEEN], "seen": 100 * mean[SEEN]}
            found.setdefault(name, row | {"seeds": len(seeds)})
    if len(chances) > 1:
        raise InputError("the tables have different test sets; give tables of one")
    return dict(sorted(found.items(), key=lambda item: item[1]["cost"]))


def front(rows: Rows) -> list[str]:
    """The rows that no cheaper one equals: the Pareto front, cheapest first."""
    names, best = [], -np.inf
    for name, row in sorted(rows.items(), key=lambda item: item[1]["cost"]):
        if row["unseen"] > best:
            names.append(name)
            best = row["unseen"]
    return names


def named(rows: Rows, names: list[str]) -> Rows:
    """The same rows, those of `names` first and by their new names.

    Args:
        rows: as `rows_of` makes them.
        names: "ROW=NAME" each.
    Raises:
        InputError: no such row.
    """
    new = {}
    for row, _, name in (one.rpartition("=") for one in names):
        if row not in rows:
            raise InputError(f"no row {row!r} to name; rows: {', '.join(rows)}")
        new[row] = name
    return {new.get(row, row): rows[row] for row in (*new, *(row for row in rows if row not in new))}


def draw(rows: Rows, named_rows: int, title: str, path: Path) -> None:
    """The plot; operations on a logarithmic axis. The first `named_rows` have their names before those of the front."""
    best = front(rows)
    with new_plot(path, (7.5, 4.6)) as (figure, axes):
        axes.plot([rows[n]["cost"] for n in best], [rows[n]["unseen"] for n in best], "-", color="C0", label="front")
        for chosen, colour, label in ((best, "C0", "on the front"), (rows.keys() - set(best), "0.5", "behind it")):
            points = [rows[name] for name in chosen]
            axes.plot(
                [p["cost"] for p in points],
                [p["unseen"] for p in points],
                "o",
                color=colour,
                label=label,
                clip_on=False,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # powers would be written in mathtext
        axes.set_xlabel("operations of the readout for one image [10^6 multiply-accumulates]")
        axes.set_ylabel("unseen mAP [%]")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylim(bottom=0)
        legend_below(figure)
        order = dict.fromkeys([*[*rows][:named_rows], *reversed(best), *rows])
        name_points(axes, [(rows[name]["cost"], rows[name]["unseen"], name) for name in order])


def command(
    folders: Annotated[list[Path], typer.Argument(metavar="TABLE...", help="Folders of zsl ablate.")],
    out: Annotated[Path, typer.Option(help="The PNG file to write.")],
    title: Annotated[str, typer.Option(help="Of the plot.")] = "Unseen mAP against cost",
    name: Annotated[list[str] | None, typer.Option(metavar="ROW=NAME", help="Name a row; may be repeated.")] = None,
) -> None:
    """Draw unseen mAP against operations, and print the table in Markdown."""
    rows = rows_of(folders)
    draw(named(rows, name or []), len(name or []), title, out)
    best = front(rows)
    typer.echo("| row | seeds | 10^6 operations | unseen mAP | seen mAP | on the front |")
    typer.echo("| --- | --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        cells = (name, f"{row['seeds']:.0f}", *(f"{row[key]:.1f}" for key in ("cost", "unseen", "seen")))
        typer.echo(f"| {' | '.join(cells)} | {'yes' if name in best else ''} |")
