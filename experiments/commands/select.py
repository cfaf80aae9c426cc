"""`zsl select`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.commands.grid_runs import Place, asked_grid, execute, show_ending
from experiments.commands.options import Seeds, Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console, tell


@clear_errors
def select(
    name: Annotated[
        str, typer.Argument(metavar="GRID", help="A grid's TOML file, or a table (zsl ablate --list prints all).")
    ],
    config: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="A recipe or a TOML file to use instead of the grid's own."),
    ] = None,
    settings: Settings = None,
    seeds: Seeds = None,
    out: Annotated[
        Path | None, typer.Option(show_default="runs/select-NAME", help="Folder to make, or one to continue in.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Number of parts into which the seen labels are divided.")] = 5,
    use: Annotated[
        int | None,
        typer.Option(min=1, show_default="all", help="Hold out only this many of the parts, each in its own training."),
    ] = None,
    blend: Annotated[int, typer.Option(min=1, help="Variants that a blend has at most; 1 for no blends.")] = 2,
    criterion: Annotated[
        Literal["unseen", "weighted", "harmonic", "seen"],
        typer.Option(help="What ranks: mAP of held-out labels, weighted by positives, their mean with seen labels."),
    ] = "unseen",
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="RUNS",
            help="Folder of zsl ablate GRID --save-scores: say how well the ranking foretells the test results.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at the same time; they share this machine's cores.")] = 1,
    on: Annotated[str, typer.Option(metavar="ray[:ADDRESS]", help="Run on a Ray cluster.")] = "",
    cpus: Annotated[float, typer.Option(min=1, help="On Ray: threads per run.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="On Ray: GPUs per run.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes that train each run together.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed runs again.")] = False,
) -> None:
    """Choose among the variants of a grid, and blends of them, without the test set.

    Each variant is trained without some seen labels, which stand for unseen ones, and measured on validation images.
    The best one is written as a config, chosen.toml, for zsl train. To continue, give the same command again.
    """
    from experiments.grids.folder import GridFolder
    from experiments.selection.checking import check_choice, tested_folder
    from experiments.selection.choice import FILES, choose
    from experiments.selection.plan import make_plan

    out = out or Path("runs") / f"select-{Path(name).stem}"
    grid = asked_grid(name, config, settings or [], seeds)
    plan = make_plan(grid, folds, use, name)
    for line in grid.notes:
        tell(f"note: {line}")
    tested = None if check is None else tested_folder(grid, check)
    console, folder = make_console(), GridFolder(out, plan.grid, grows=True)
    place = Place(workers, processes, on, cpus, gpus, retry_failed)
    ending = execute(folder, place, console, "scores")
    show_ending(ending, folder, retry_failed)
    if ending.left:
        return
    with ConsoleProgress(console) as progress:
        choice = choose(plan, out, blend, criterion, progress)
        choice.save(out)
        checked = None if tested is None else check_choice(choice, tested, progress)
    console.print(choice.table().console())
    for line in choice.notes():
        console.print(line, soft_wrap=True)
    if checked is not None:
        checked.save(out)
        console.print(checked.table().console())
        for line in checked.notes():
            console.print(line, soft_wrap=True)
    files = FILES if checked is None else f"{FILES}, check.md, check.json"
    console.print(f"{out}/: {files}; now: zsl train {out / 'chosen.toml'} --out RUN", soft_wrap=True)
