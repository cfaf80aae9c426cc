"""The `zsl` command. Heavy imports stay inside the commands, so that `zsl --help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.markup import shell
from experiments.commands import ablate as ablate_cli
from experiments.commands import bank as bank_cli
from experiments.commands import bench as bench_cli
from experiments.commands import data as data_cli
from experiments.commands import evaluate as evaluate_cli
from experiments.commands import recipe as recipe_cli
from experiments.commands import report as report_cli
from experiments.commands.options import ConfigArgument, Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console

# without the markup that would take "[default: all]" in a help text for a style, and leave it out
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(evaluate_cli.app)
app.add_typer(bank_cli.app, name="bank")
app.add_typer(bench_cli.app, name="bench")
app.add_typer(data_cli.app, name="data")
app.command()(report_cli.report)
app.command()(recipe_cli.recipe)


@app.callback()
def main() -> None:
    """Zero-shot multi-label research: banks, ML-Decoder's group decoding, ablations."""


app.command()(ablate_cli.demo)
app.command()(ablate_cli.ablate)


@app.command()
@clear_errors
def train(
    config: ConfigArgument,
    out: Annotated[Path, typer.Option(help="Folder to make for the run.")],
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped in this folder.")] = False,
) -> None:
    """Trains one model; the test set is not looked at."""
    from experiments.config.reading import load_config
    from experiments.grids.variants import random_labels
    from experiments.runs.train import train as train_in
    from zsl.acceleration import is_main_process

    console = make_console()
    values = load_config(config, settings or [], trains=True)

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True)

    with ConsoleProgress(console) as progress:
        bank = train_in(values, out, resume, progress, tell)
    measure = shell("zsl", "evaluate", out)
    if bank is None:
        tell(f"{out} is finished; measure it with: {measure}")
    elif is_main_process():
        filled = random_labels(bank)
        if filled:
            tell(f"note: {filled} of {len(bank)} labels have random vectors, by bank.oov")
        tell(f"trained; measure it with: {measure}")


if __name__ == "__main__":
    app()
