"""`zsl train`."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.markup import shell
from experiments.commands.options import ConfigArgument, Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console, stoppable


@clear_errors
def train(
    config: ConfigArgument,
    out: Annotated[Path, typer.Option(help="Folder to make for the run.")],
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that was stopped in this folder.")] = False,
) -> None:
    """Train one model; the test images are not used.

    Measure it with zsl evaluate. --resume continues a run that was stopped; it ends with the same weights, bit for bit.
    """
    from experiments.config.reading import load_config
    from experiments.grids.variants import random_labels
    from experiments.runs.train import train as train_in
    from zsl.acceleration import is_main_process

    console = make_console()
    values = load_config(config, settings or [], trains=True)

    def tell(line: str) -> None:
        console.print(line, soft_wrap=True)

    def how_to_continue() -> str:
        if not (out / "begun.json").is_file():
            return "nothing was trained yet; give the same command again"
        given = [argument for setting in settings or [] for argument in ("--set", setting)]
        return f"continue with: {shell('zsl', 'train', config, '--out', out, *given, '--resume')}"

    with stoppable(how_to_continue), ConsoleProgress(console) as progress:
        bank = train_in(values, out, resume, progress, tell)
    measure = shell("zsl", "evaluate", out)
    if bank is None:
        tell(f"{out} is finished; measure it with: {measure}")
    elif is_main_process():
        filled = random_labels(bank)
        if filled:
            tell(f"note: {filled} of {len(bank)} labels have random vectors, by bank.oov")
        tell(f"trained; measure it with: {measure}")
