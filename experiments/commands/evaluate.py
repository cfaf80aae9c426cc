"""`zsl evaluate` and `zsl calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.markup import shell
from experiments.commands.options import Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console


@clear_errors
def evaluate(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of zsl train.", metavar="[RUN]...")] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option("--from-scores", help="Scores of any system: .npy, .npz, .csv, or RUN/scores; repeat it."),
    ] = None,
    targets: Annotated[Path | None, typer.Option(help="What scores are measured against: .npy, .npz or .csv.")] = None,
    config: Annotated[str | None, typer.Option(help="Or a recipe or a TOML file of their dataset.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Names of the columns, one a line, of files without.")] = None,
    unseen: Annotated[Path | None, typer.Option(help="Names of the unseen labels, one a line, for --targets.")] = None,
    shift: Annotated[
        float | None, typer.Option(help="For --from-scores: a bias on seen scores, chosen on validation.")
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(
            help="Of a run: another bank, of the same width (then nothing is written). Of scores: for the "
            "similarity to seen labels."
        ),
    ] = None,
    curve: Annotated[
        list[str] | None, typer.Option(help="A label to draw precision against recall of, with --out; repeat it.")
    ] = None,
    keep: Annotated[bool, typer.Option("--save-scores/--no-save-scores", help="Keep a run's scores in it.")] = True,
    mixed: Annotated[bool, typer.Option("--mixed-protocols", help="Set different protocols side by side.")] = False,
    out: Annotated[Path | None, typer.Option(help="A folder to make, for --from-scores and comparisons.")] = None,
    settings: Settings = None,
) -> None:
    """Measures runs, or anyone's scores: unseen labels (ZSL), all labels (GZSL), seen ones; several side by side."""
    from embeddings.io.errors import InputError
    from embeddings.io.names import label_name
    from embeddings.io.output_folders import check_new
    from experiments.config.advice import parts_at_chance, remedies
    from experiments.tables.evaluations import result_of_run, result_of_scores, save_comparison, save_result
    from experiments.tables.result_tables import comparison_table, footnotes, tables_of
    from zsl.acceleration import is_main_process

    runs, scores = runs or [], scores or []
    if not runs and not scores:
        raise InputError("nothing to evaluate; name a run's folder, or scores by --from-scores")
    if not scores and any((targets, config, labels, unseen, shift is not None)):
        raise InputError("--targets, --config, --labels, --unseen and --shift are for --from-scores")
    if out is not None:
        check_new(out)
    elif curve:
        raise InputError("--curve needs --out, a folder for the plots")
    if curve and len(runs) + len(scores) > 1:
        raise InputError("--curve draws one run, or one file of scores; leave it out to see several side by side")
    console = make_console()
    with ConsoleProgress(console) as progress:
        results = [result_of_run(run, bank, settings or [], keep, progress) for run in runs]
        for path in scores:
            results.append(result_of_scores(path, targets, config, settings or [], labels, unseen, bank, shift))
    if not is_main_process():
        return
    if len(results) > 1:
        table = comparison_table(results, mixed)
        if out is not None:
            save_comparison(table, out)
        console.print(table.console())
        console.print(
            "Percent; in brackets the 95 % interval of the difference from the first, over the same bootstrap draws of "
            "test images; * where it leaves out 0.",
        )
        return
    (result,) = results
    if out is not None:
        save_result(result, out, [label_name(label, "--curve") for label in curve or ()])
    for table in tables_of(result):
        console.print(table.console())
    for line in footnotes(result):
        console.print(line)
    for line in remedies(parts_at_chance(result.evaluation.metrics, result.evaluation.intervals)) if runs else ():
        console.print(f"note: {line}", soft_wrap=True)
    place = out or (runs[0] if runs and bank is None else None)
    if place is not None:
        console.print(f"{place}/: metrics.json, labels.csv, evaluation.md, evaluation.tex, plots")


@clear_errors
def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of zsl train.")],
    k: Annotated[int, typer.Option("--k", min=1, help="Labels taken per image.")] = 5,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=0.5, help="Of the seen labels that play unseen ones to a model [default: as unseen]."),
    ] = None,
) -> None:
    """Chooses the bias on seen logits on validation images, for zsl evaluate; trains two more models for it."""
    from experiments.runs.calibration import calibrate_run
    from experiments.runs.claims import claimed_run
    from zsl.acceleration import is_main_process

    console = make_console()
    with ConsoleProgress(console) as progress, claimed_run(run):
        found = calibrate_run(run, k, share, progress)
    if is_main_process():
        crossed, without = (
            " % and ".join(f"{100 * v:.1f}" for v in values) for values in (found.choice.crossed, found.choice.unbiased)
        )
        told = (
            f"harmonic mean of recall@{k} of two models, each with what is best for the other's left-out labels: "
            f"{crossed} %, against {without} % without a bias"
        )
        if found.shift is None:
            end = f"no bias helps: {told}; {run} has no calibration"
        else:
            end = f"shift {found.shift:.4g}: {told}; now: {shell('zsl', 'evaluate', run)}"
        console.print(end, soft_wrap=True)
