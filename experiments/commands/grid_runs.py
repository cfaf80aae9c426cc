"""What commands that train a grid share: which grid is asked for, where its runs execute, and how they ended."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from embeddings.io.errors import InputError
from embeddings.io.markup import shell
from experiments.output.console import ConsoleProgress, stoppable, tell

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.grids.driver import Ending
    from experiments.grids.executors import Executor
    from experiments.grids.folder import GridFolder
    from experiments.grids.grid import Grid
    from experiments.grids.run_queue import Tell
    from experiments.runs.measurement import Keep

SHOWN = 4  # names in a line that lists some


@dataclass(frozen=True)
class Place:
    """Where runs execute.

    Args:
        workers: runs at the same time on this machine.
        processes: processes that train each run together.
        on: "", or "ray[:ADDRESS]" for a Ray cluster.
        cpus: threads per run on Ray.
        gpus: GPUs per run on Ray.
        retry_failed: run failed runs again.
    """

    workers: int = 1
    processes: int = 1
    on: str = ""
    cpus: float = 1
    gpus: float = 0
    retry_failed: bool = False


def asked_grid(
    name: str,
    source: str | None,
    settings: list[str],
    seeds: int | None,
    compared: tuple[list[str], list[str]] = ([], []),
) -> "Grid":
    """The grid of a named table, or of a user's TOML file.

    Args:
        name: of a table, or the path of the file.
        source: a recipe or a config file, in place of the grid's own.
        settings: `section.key=value`, over the config.
        seeds: number of seeds, in place of the grid's own.
        compared: for the table "encoders", the encoders and the prompts to compare instead of the table's.
    Raises:
        InputError: no such table; a grid that is not possible.
    """
    from experiments.bench.cost_tables import COST_TABLES
    from experiments.grids.paper_tables import ABLATIONS, ENCODERS, encoder_variants

    for given, option, key in zip(compared, ("--encoder", "--prompt"), ("encoder", "prompts"), strict=True):
        if given and name != "encoders":
            raise InputError(f"{option} is for zsl ablate encoders; for {name} use --set bank.{key}=...")
    if name not in ABLATIONS and (name.endswith(".toml") or Path(name).is_file()):
        from experiments.grids.grid_file import spec_grid

        return spec_grid(Path(name), source, settings, seeds)
    if name not in ABLATIONS:
        raise InputError(
            f"unknown ablation {name!r}; known: {', '.join([*ABLATIONS, *COST_TABLES])}, or a grid's TOML file"
        )
    from experiments.config.reading import load_config
    from experiments.grids.grid import table_grid

    ablation = ABLATIONS[name]
    if any(compared):
        encoders, prompts = compared
        ablation = replace(ablation, variants=encoder_variants(encoders or ENCODERS, prompts))
    config = load_config(source or ablation.recipe, [*ablation.settings, *settings], trains=True)
    return table_grid(ablation, config, seeds or 1)


def _executor(place: Place, folder: "GridFolder", tell: "Tell") -> "Executor | None":
    """What executes the runs; None for this process."""
    from experiments.grids.executors import Pool

    if place.on:
        kind, _, address = place.on.partition(":")
        if kind != "ray":
            raise InputError(f"--on {place.on!r}; known: ray, ray:ADDRESS")
        if place.workers > 1:
            raise InputError("--workers is for this machine; on Ray, runs share the cluster by --cpus and --gpus")
        from experiments.grids.ray_cluster import RayCluster

        return RayCluster(folder, address, place.cpus, place.gpus, tell)
    return Pool(place.workers) if place.workers > 1 else None


def execute(folder: "GridFolder", place: Place, console: "Console", keep: "Keep" = "report") -> "Ending":
    """Executes a grid's runs.

    Args:
        folder: of the grid; it may hold some of its runs.
        place: where runs execute.
        console: for progress.
        keep: what the test of a run leaves beside the metrics.
    Raises:
        InputError: a fault that can be found before the first run starts.
    """
    from experiments.grids.driver import Driver

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("a grid runs as one process; give --processes to train each run in several")
    folder.check()

    def tell_above(line: str) -> None:  # the bars
        console.print(line, soft_wrap=True)

    again = f"the same command continues with what is in {folder.path}"
    with stoppable(lambda: again), ConsoleProgress(console) as progress:
        executor = _executor(place, folder, tell_above)
        driver = Driver(folder, progress, tell_above, executor, place.retry_failed, place.processes, keep)
        return driver.run()


def show_ending(ending: "Ending", folder: "GridFolder", retried: bool) -> None:
    """Says which runs are not finished; if runs failed, exits with status 1."""
    if ending.left:
        tell(f"beyond the budget, not run: {_some(ending.left)}")
    if ending.failed:
        again = sys.argv[1:] + ([] if retried else ["--retry-failed"])
        first, reason = next(iter(ending.failed.items()))
        failed = f"{len(ending.failed)} of {len(folder.grid.runs)} runs failed (logs in {folder.path / 'failed'})"
        message = f"{failed}, {first}: {reason}; try again with: {shell('zsl', *again)}"
        tell(f"error: {message}", err=True)
        raise typer.Exit(1)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
