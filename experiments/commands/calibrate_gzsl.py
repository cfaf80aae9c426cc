"""`zsl calibrate-gzsl`."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.markup import shell
from experiments.commands.options import Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console


@clear_errors
def calibrate_gzsl(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    k: Annotated[int, typer.Option("--k", min=1, help="Labels taken per image.")] = 5,
    share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.5,
            show_default="the share of unseen labels",
            help="Share of the seen labels that each extra model is trained without.",
        ),
    ] = None,
    settings: Settings = None,
) -> None:
    """Choose the bias between seen and unseen labels.

    The bias is subtracted from all seen logits, so that unseen labels compete with seen ones (GZSL). It is chosen on
    validation images, with two more models, each trained without some of the seen labels. zsl evaluate then reports the
    figures with this bias. For thresholds and probabilities, see zsl threshold.
    """
    from experiments.runs.seen_bias import calibrate_run
    from zsl.acceleration import is_main_process
    from zsl.runs.claims import claimed_run

    console = make_console()
    with ConsoleProgress(console) as progress, claimed_run(run):
        found = calibrate_run(run, k, share, progress, settings or ())
    if is_main_process():
        crossed, without = (
            " % and ".join(f"{100 * v:.1f}" for v in values) for values in (found.choice.crossed, found.choice.unbiased)
        )
        told = (
            f"harmonic mean of recall@{k} of two models, each at the other's choice: {crossed} %; "
            f"without a bias: {without} %"
        )
        if found.shift is None:
            end = f"no bias helps: {told}; {run} has no calibration"
        else:
            given = [part for setting in settings or () for part in ("--set", setting)]
            end = f"shift {found.shift:.4g}: {told}; now: {shell('zsl', 'evaluate', run, *given)}"
        console.print(end, soft_wrap=True)
