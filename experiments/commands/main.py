"""The `zsl` command and its subcommands. Each imports heavy libraries only when it is called, so that help is quick."""

from importlib.metadata import version
from typing import Annotated

import typer

from experiments.commands import bank, bench, data
from experiments.commands.ablate import ablate, demo
from experiments.commands.app import Commands
from experiments.commands.calibrate_gzsl import calibrate_gzsl
from experiments.commands.evaluate import evaluate
from experiments.commands.export import export, import_official
from experiments.commands.predict import predict
from experiments.commands.recipe import recipe
from experiments.commands.report import report
from experiments.commands.select import select
from experiments.commands.threshold import threshold
from experiments.commands.train import train
from experiments.output.console import tell

app = Commands(add_completion=True)
MODELS = (train, evaluate, predict, export, import_official, threshold, calibrate_gzsl)
for command in (*MODELS, ablate, select, demo, report, recipe):
    app.command()(command)
for name, group in (("bank", bank.app), ("data", data.app), ("bench", bench.app)):
    app.add_typer(group, name=name)


def _show_version(asked: bool) -> None:
    if asked:
        tell(f"zsl {version('zero-shot-toolkit')}")
        raise typer.Exit


@app.callback()
def main(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Zero-shot multi-label research: word-vector banks, readouts, comparisons."""


if __name__ == "__main__":
    app()
