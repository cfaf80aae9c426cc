"""`zsl demo` and `zsl ablate`: tables of the paper, and grids of your own."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embeddings.io.errors import InputError
from embeddings.io.markup import shell
from experiments.commands.grid_runs import Place, asked_grid, execute, show_ending
from experiments.commands.options import Seeds, Settings
from experiments.output.console import ConsoleProgress, clear_errors, make_console, tell

if TYPE_CHECKING:
    from experiments.grids.grid import Grid
    from experiments.runs.measurement import Keep

Encoders = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SPEC", help="For the table encoders: compare this encoder instead of the table's; may be repeated."
    ),
]
Prompts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEMPLATE",
        help="For the table encoders: also put names into this template, as 'a photo of a {}'; may be repeated.",
    ),
]


@clear_errors
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make for the results.")] = Path("runs/demo"),
    settings: Settings = None,
) -> None:
    """Train and compare on drawn pictures: Table 8 of the paper, and the readout that is recommended there.

    No download; 4 to 20 minutes on two cores.
    """
    from experiments.config.reading import load_config
    from experiments.grids.grid import table_grid
    from experiments.grids.paper_tables import DEMO

    config = load_config("demo", [*DEMO.settings, *(settings or [])])
    _run(table_grid(DEMO, config, 1), out, Place(), "report")


@clear_errors
def ablate(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME_OR_GRID", help="A table (--list prints all) or a grid's TOML file.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="A recipe or a TOML file to use instead of the table's own."),
    ] = None,
    encoder: Encoders = None,
    prompt: Prompts = None,
    settings: Settings = None,
    seeds: Seeds = None,
    out: Annotated[
        Path | None, typer.Option(show_default="runs/NAME", help="Folder to make, or one to continue in.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the tables and exit.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs and what each changes, without running them.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Runs at the same time; they share this machine's cores.")] = 1,
    on: Annotated[str, typer.Option(metavar="ray[:ADDRESS]", help="Run on a Ray cluster.")] = "",
    cpus: Annotated[float, typer.Option(min=1, help="On Ray: threads per run.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="On Ray: GPUs per run.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes that train each run together.")] = 1,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed runs again.")] = False,
    keep: Annotated[
        bool, typer.Option("--save-scores", help="Save each run's test scores in its folder, as zsl evaluate does.")
    ] = False,
) -> None:
    """Train and compare variants: a table of the paper, or your grid.

    To continue a grid that was stopped, give the same command again.
    """
    from experiments.bench.cost_tables import COST_TABLES

    if list_:
        _list_tables()
        return
    if name is None:
        raise InputError("name a table (zsl ablate --list prints them) or a grid's TOML file")
    out = out or Path("runs") / Path(name).stem
    if name in COST_TABLES:
        given = {
            "--config": config,
            "--encoder": encoder,
            "--prompt": prompt,
            "--seeds": seeds,
            "--on": on,
            "--dry-run": dry_run,
        }
        given |= {"--workers": workers > 1, "--processes": processes > 1, "--retry-failed": retry_failed}
        given |= {"--save-scores": keep}
        _measure(name, settings or [], [option for option, value in given.items() if value], out)
        return
    grid = asked_grid(name, config, settings or [], seeds, (encoder or [], prompt or []))
    for line in grid.notes:
        tell(f"note: {line}")
    if dry_run:
        _show_plan(grid, out)
    else:
        _run(grid, out, Place(workers, processes, on, cpus, gpus, retry_failed), "both" if keep else "report")


def _list_tables() -> None:
    from experiments.bench.cost_tables import COST_TABLES
    from experiments.grids.paper_tables import ABLATIONS

    captions = {name: table.caption for tables in (ABLATIONS, COST_TABLES) for name, table in tables.items()}
    for name in sorted(captions, key=lambda name: (not name.startswith("table"), len(name), name)):
        tell(f"{name}  {captions[name]}")


def _measure(name: str, settings: list[str], given: list[str], out: Path) -> None:
    """Measures a table of costs."""
    from embeddings.io.output_folders import check_new
    from experiments.bench.cost_tables import COST_TABLES, save_costs

    table = COST_TABLES[name]
    if given:
        raise InputError(f"{', '.join(given)}: {name} is measured, not trained; it takes only --set and --out")
    chosen = table.changed(settings)
    check_new(out)
    console = make_console()
    with ConsoleProgress(console) as progress:
        figures = table.measure(chosen, progress)
    shown = save_costs(table.caption, figures, shell("zsl", *sys.argv[1:]), out)
    console.print(shown.console())
    console.print(f"{figures.title}.")
    left = "report.html, report.md, results.json, figures.json, table.json, table.tex, table.csv"
    console.print(f"{out}/: {left}")


def _run(grid: "Grid", out: Path, place: Place, keep: "Keep") -> None:
    """Executes a grid's runs and shows the table."""
    from experiments.grids.folder import GridFolder
    from experiments.report.finished_table import finish_table

    console, folder = make_console(), GridFolder(out, grid)
    ending = execute(folder, place, console, keep)
    if folder.records():
        finish_table(out, grid.ablation, shell("zsl", *sys.argv[1:]), console)
    show_ending(ending, folder, place.retry_failed)


def _show_plan(grid: "Grid", out: Path) -> None:
    """Prints each run, what it changes, and its state."""
    from experiments.grids.folder import GridFolder
    from experiments.grids.grid import check_test_parts

    folder = GridFolder(out, grid)
    folder.check()
    check_test_parts(grid, str(out))
    within = len(grid.within)
    tell(f"{len(grid.runs)} runs in {out}, {within} within the budget")
    for place, run in enumerate(grid.runs):
        axes = ", ".join(f"{key} = {value!r}" for key, value in grid.changed_axes(run).items())
        state = folder.state(run) if place < within else "beyond the budget"
        tell(f"{run.folder} ({state}): changes {axes or 'nothing'}")
