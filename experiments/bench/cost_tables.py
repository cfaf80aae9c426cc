"""The tables that `zsl ablate NAME` measures without training: what heads and their parts cost.

Their list needs no torch; the code that measures a table is imported when it is called.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.io import atomic
from embeddings.io.markup import markdown, markdown_code
from embeddings.io.progress import Progress
from embeddings.io.settings import changed_by
from experiments.grids.variants import Record
from experiments.output.files import new_folder
from zsl.config import Config

if TYPE_CHECKING:
    from experiments.bench.harness import Figures
    from experiments.tables.table_folder import TableFolder
    from experiments.tables.text_table import TextTable

Measure = Callable[[Any, Progress], "Figures"]


@dataclass(frozen=True)
class CostTable:
    """A table of costs: its caption; `parts` returns its default settings and the function that measures them."""

    caption: str
    parts: Callable[[], tuple[Config, Measure]]

    def changed(self, settings: Sequence[str]) -> Config:
        """The default settings with `key=value` over them.

        Raises:
            InputError: an unknown key, an impossible value.
        """
        own, _ = self.parts()
        return changed_by(own, settings)

    def measure(self, settings: Config, progress: Progress) -> "Figures":
        """The figures of `changed` settings."""
        _, measured = self.parts()
        return measured(settings, progress)


def _heads() -> tuple[Config, Measure]:
    from experiments.bench.heads import HeadBench, bench_heads

    # with a larger batch, the Transformer-decoder's 5,000 queries would not fit in a small machine's memory
    return HeadBench(heads=("GAP", "Transformer-decoder", "ML-Decoder"), batch_size=2, rounds=5), bench_heads


def _modules() -> tuple[Config, Measure]:
    from experiments.bench.modules import ModuleBench, bench_modules

    return ModuleBench(), bench_modules


COST_TABLES: dict[str, CostTable] = {
    "table9": CostTable("Table 9: heads against classes, speed and cost", _heads),
    "table11": CostTable("Table 11: time of a decoder layer's parts against classes", _modules),
    # the paper's Table 12 has the figures of its Table 9 in full
    "table12": CostTable("Table 12: heads against classes, speed and cost", _heads),
}


def save_costs(caption: str, figures: "Figures", command: str, out: Path) -> "TextTable":
    """Makes the folder of a table that was measured: its figures, the table read back from them, and the report.

    Args:
        caption: of the table.
        figures: with the rows of the table.
        command: that makes the table again.
        out: the folder to make.
    Returns:
        the table that every file of the folder shows.
    Raises:
        InputError: the folder cannot be made.
    """
    from experiments.report.page import render
    from experiments.tables.metric_table import metric_table
    from experiments.tables.table_folder import About, papers_of, read_table_folder, save_about

    rows = figures.measured
    with new_folder(out) as made:
        atomic.write_text(made / "figures.json", json.dumps(figures.record, indent=1) + "\n")
        records = [asdict(Record(one.variant, 0, one.metrics, "")) for one in rows]
        atomic.write_text(made / "results.json", json.dumps(records, indent=1) + "\n")
        papers, machine = papers_of([(one.variant, one.paper) for one in rows]), figures.record["machine"]
        save_about(made, About(caption=caption, command=command, paper=papers, machine=machine, setup=figures.title))
        folder = read_table_folder(made)
        text = metric_table(folder).text()
        atomic.write_text(made / "table.tex", text.latex())
        atomic.write_text(made / "table.csv", text.csv())
        atomic.write_text(made / "report.md", _report(folder, text))
        atomic.write_text(made / "report.html", render([folder]))
    return text


def _report(folder: "TableFolder", text: "TextTable") -> str:
    """The table in Markdown, with where and how it was measured, and how to repeat it."""
    machine = "; ".join(f"{name} {value}" for name, value in folder.machine.items())
    return f"""# {markdown(folder.caption)}

{text.markdown()}
{markdown(folder.setup)}.

{markdown(machine)}

Repeat with {markdown_code(folder.command or "")}.
"""
