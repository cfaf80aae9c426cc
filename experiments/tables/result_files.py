"""The files of an evaluation: its tables as a page and for LaTeX, its plots, and comparisons."""

from collections.abc import Sequence
from pathlib import Path

from embeddings.io import atomic
from embeddings.io.markup import markdown
from experiments.output.files import new_folder
from experiments.runs.result import Result, save_metrics
from experiments.tables.result_plots import PLOTS, check_curves, save_plots
from experiments.tables.result_tables import footnotes, tables_of
from experiments.tables.text_table import TextTable

WRITTEN = ("metrics.json", "labels.csv", "evaluation.md", "evaluation.tex", *PLOTS, "scores")


def save_pages(result: Result, folder: Path, labels: Sequence[str] = ()) -> None:
    """Writes `evaluation.md`, `evaluation.tex` and the plots of a result.

    Args:
        result: of the evaluation.
        folder: for the files.
        labels: whose precision is drawn against recall; by default some of the best, middling and worst ones.
    """
    plots = save_plots(result, folder, labels)
    tables = tables_of(result)
    parts = [f"## {markdown(table.title)}\n\n{table.markdown()}" for table in tables]
    notes = "".join(f"- {markdown(line)}\n" for line in footnotes(result))
    pictures = "\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in plots)
    stamp = "".join(f"- {markdown(f'{key}: {value}')}\n" for key, value in result.evaluation.stamp.as_json().items())
    title = f"# {markdown(result.test.name)}"
    content = "\n".join([title, "", *parts, notes, pictures, "", "## Protocol", "", stamp])
    atomic.write_text(folder / "evaluation.md", content)
    atomic.write_text(folder / "evaluation.tex", "\n".join(table.latex() for table in tables))


def save_result(result: Result, folder: Path, labels: Sequence[str] = ()) -> None:
    """Makes a folder with all files of a result that belongs to no run.

    Args:
        result: of the evaluation.
        folder: to make.
        labels: as for `save_pages`.
    Raises:
        InputError: as for `check_curves`; the folder exists or cannot be made.
    """
    check_curves(result, labels)
    with new_folder(folder) as made:
        save_metrics(result, made)
        save_pages(result, made, labels)


def save_comparison(table: TextTable, folder: Path) -> None:
    """Makes a folder with a comparison in Markdown, LaTeX and CSV."""
    with new_folder(folder) as made:
        for name, content in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            atomic.write_text(made / f"comparison.{name}", content)
