"""The result of a grid: the files of its table, and the table on the console."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.io import atomic
from experiments.grids.variants import Ablation
from experiments.report.page import render
from experiments.tables.metric_table import metric_table
from experiments.tables.notes import GMAC, paper_note, spread_note
from experiments.tables.table_folder import About, papers_of, read_table_folder, save_about, title_of
from experiments.tables.table_page import save_table

if TYPE_CHECKING:
    from rich.console import Console

FILES = "report.html, report.md, results.json, table.json, table.tex, table.csv, plot.png, runs/"


def finish_table(out: Path, ablation: Ablation, command: str, console: "Console") -> None:
    """Writes the table of a grid's folder, in all its forms, and prints it.

    The table holds the variants that are finished under all seeds; the HTML page has the others too. Nothing is written
    if there is no such variant.

    Args:
        out: the grid's folder, with one finished run at least.
        ablation: the grid's table: its variants, their published figures, and the data of these figures.
        command: that makes the table again.
        console: for the table.
    Raises:
        InputError: a file of the folder is damaged.
    """
    papers = {title_of(variant.shown): variant.paper for variant in ablation.variants if variant.paper}
    folder = replace(read_table_folder(out), caption=ablation.caption, command=command, paper=papers)
    whole = metric_table(folder).whole()
    if not whole.rows or (folder.plan is not None and list(whole.seeds) != sorted(folder.plan.seeds)):
        return
    paper = paper_note(whole, ablation)
    folder = replace(folder, paper_note=paper)
    figures = papers_of([(variant.axes, variant.paper) for variant in ablation.variants])
    save_about(out, About(caption=ablation.caption, command=command, paper=figures, paper_note=paper))
    save_table(folder, whole, ablation)
    atomic.write_text(out / "report.html", render([folder]))
    text = whole.text()
    fitting = text.fitting(console.width)
    console.print(fitting.console())
    console.print(f"Percent; {spread_note(whole)}. {GMAC}{paper and ' '}{paper}")
    for line in whole.at_chance():
        console.print(line, soft_wrap=True)
    if len(fitting.header) < len(text.header):
        console.print("F1@K are in report.md: the terminal is too narrow for them.")
    console.print(f"{out}/: {FILES}")
