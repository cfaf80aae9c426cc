"""`zsl threshold`."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.markup import shell
from experiments.commands.options import Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console


@clear_errors
def threshold(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    least: Annotated[
        int, typer.Option(min=1, help="Positive validation images that a label needs for a threshold of its own.")
    ] = 20,
    share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            show_default="the share of unseen labels, or 0.2 without any",
            help="Share of the seen labels that each extra model is trained without.",
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Choose probabilities and thresholds, for seen and for unseen labels.

    They are chosen on validation images, with two more models, each trained without some of the seen labels. zsl
    evaluate then reports F1 at the thresholds. For the bias between seen and unseen labels in rankings, see zsl
    calibrate-gzsl.
    """
    from experiments.runs.thresholds import threshold_run
    from experiments.tables.threshold_tables import choice_notes, choice_table
    from zsl.acceleration import is_main_process
    from zsl.runs.claims import claimed_run

    console = make_console()
    with ConsoleProgress(console) as progress, claimed_run(run):
        choice = threshold_run(run, least, share, progress, settings or ())
    if is_main_process():
        console.print(choice_table(choice).console())
        for line in choice_notes(choice, least):
            console.print(line)
        told = [part for setting in settings or () for part in ("--set", setting)]
        console.print(
            f"{run}/: thresholds.json, reliability.png; now: {shell('zsl', 'evaluate', run, *told)}", soft_wrap=True
        )
