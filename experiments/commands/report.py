"""`zsl report`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.output.console import ConsoleProgress, clear_errors, make_console


@clear_errors
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of zsl ablate.", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write; one that is there is replaced.")] = Path("report.html"),
) -> None:
    """One HTML page of one or several tables, which needs no other file and no network."""
    from embeddings.io.errors import InputError
    from experiments.report.page import write_report

    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"--out {out} is no file that can be written; give one in a folder that is there")
    console = make_console()
    with ConsoleProgress(console) as progress:
        write_report(folders, out, progress)
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", soft_wrap=True)
