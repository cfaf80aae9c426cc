"""A table of text cells, and the same for a terminal, in Markdown, LaTeX and CSV."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embeddings.io.markup import csv_text, latex, latex_note, markdown, visible
from experiments.output.console import console_table

if TYPE_CHECKING:
    from rich.table import Table as ConsoleTable


@dataclass(frozen=True)
class TextTable:
    """Text cells; the first `left` columns are names and aligned left, the others are figures and aligned right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def fitting(self, width: int) -> "TextTable":
        """The table, without its F1@K columns if a terminal of `width` characters is too narrow for all columns."""
        columns = [[name, *cells] for name, cells in zip(self.header, zip(*self.rows, strict=True), strict=True)]
        if sum(3 + max(map(len, column)) for column in columns) < width:
            return self
        kept = [column for column in columns if "F1@" not in column[0]]
        rows = [list(row) for row in zip(*(cells for _, *cells in kept), strict=True)]
        return replace(self, header=[name for name, *_ in kept], rows=rows)

    def console(self) -> "ConsoleTable":
        """For a terminal."""
        return console_table(self.title, list(self.header), [list(row) for row in self.rows], self.left)

    def markdown(self) -> str:
        """A pipe table."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join("| " + " | ".join(map(markdown, line)) + " |" for line in lines) + "\n"

    def latex(self) -> str:
        """A table for booktabs."""
        lines = [" & ".join(map(latex, row)) + r" \\" for row in [self.header, *self.rows]]
        columns = "l" * self.left + "r" * (len(self.header) - self.left)
        note = latex_note("".join(lines))
        return (
            f"% {visible(self.title)}\n{note}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{lines[0]}\n\\midrule\n"
            + "\n".join(lines[1:])
            + "\n\\bottomrule\n\\end{tabular}\n"
        )

    def csv(self) -> str:
        """Comma-separated values."""
        return csv_text([self.header, *self.rows])
