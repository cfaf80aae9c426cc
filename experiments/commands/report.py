"""`zsl report`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.output.console import ConsoleProgress, clear_errors, make_console


@clear_errors
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="TABLE", help="Folders of tables.", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write; an existing one is replaced.")] = Path("report.html"),
) -> None:
    """Write one HTML page of one or several tables; it needs no other file and no network."""
    from embeddings.io.errors import InputError
    from experiments.report.page import write_report

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"--out {out} cannot be written; give a file in an existing folder")
    console = make_console()
    with ConsoleProgress(console) as progress:
        write_report(folders, out, progress)
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", soft_wrap=True)
