"""A grid's folder, which holds the whole state of the grid.

`grid.json` describes the grid. `runs/` holds its runs; a run with a `metrics.json` is finished. `failed/` holds the
logs of failed runs, `locks/` a lock for each run, held by the process that
executes it, and `shared/` what runs share.
"""

import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from filelock import FileLock
from pydantic import FiniteFloat, StringConstraints

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.output_folders import check_new
from embeddings.io.reading import open_text, read_model
from embeddings.io.settings import flat
from experiments.grids.grid import Grid, Run
from experiments.grids.shared_folder import BASELINE, shared_key
from experiments.grids.variants import COST, Record
from experiments.output.files import InnerPath, new_folder
from experiments.runs.result import Measured, Metrics
from zsl.runs.folder import PRACTICAL
from zsl.runs.records import FINISHED, Finished

FORMAT: Literal["zsl-grid/2"] = "zsl-grid/2"
AGAIN = "remove it, and give the command again"
FOLDERS = ("runs", "failed", "locks", "shared")


@dataclass(frozen=True)
class Planned:
    """A run of a grid: its folder, what it changes in the config, and its variant's published figures by metric."""

    run: InnerPath
    seed: int
    variant: dict[str, Any]
    changes: dict[str, Any]
    paper: dict[str, FiniteFloat]


@dataclass(frozen=True)
class GridFile:
    """`grid.json`; `id` is unique to the folder, across machines."""

    format: Literal["zsl-grid/2"]
    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
    caption: str
    config: dict[str, Any]
    seeds: tuple[int, ...]
    runs: tuple[Planned, ...]


@dataclass(frozen=True)
class GridFolder:
    """The folder of a grid, which may exist already.

    Args:
        path: of the folder.
        grid: its runs.
        grows: whether the folder may hold fewer runs, or more, of the same base config. `grid.json` then describes the
            runs that it began with.
    """

    path: Path
    grid: Grid
    grows: bool = False

    def check(self) -> None:
        """Checks that the folder is missing, or holds this grid.

        Raises:
            InputError: it holds something else, or another grid; the message names the keys that differ.
        """
        if not (self.path / "grid.json").is_file():
            check_new(self.path)
            return
        was = _identity(read_model(self.path / "grid.json", GridFile, "choose another --out"))
        now = json.loads(json.dumps(_identity(self._file(id=""))))
        compared = was.keys() & now.keys() if self.grows else was.keys() | now.keys()
        other = [key for key in {**was, **now} if key in compared and was.get(key) != now.get(key)]
        if other:
            told = "; ".join(_told(key, was, now) for key in other[:4])
            more = f"; and {len(other) - 4} more" if len(other) > 4 else ""
            raise InputError(
                f"{self.path} holds another grid: {told}{more}; give the same grid, or choose another --out"
            )

    def begin(self) -> None:
        """Makes the folder in one step; a folder that holds this grid is kept.

        Raises:
            InputError: as for `check`, or the folder cannot be made.
        """
        self.check()
        if self.path.exists():
            return
        file = self._file(uuid.uuid4().hex)
        try:
            with new_folder(self.path) as made:
                for name in FOLDERS:
                    (made / name).mkdir()
                atomic.write_text(made / "grid.json", json.dumps(asdict(file), indent=1) + "\n")
        except InputError:
            if not self.path.exists():
                raise
            self.check()  # another command made it meanwhile

    @property
    def id(self) -> str:
        """Unique to this folder, across machines."""
        return read_model(self.path / "grid.json", GridFile, "choose another --out").id

    def lock(self, run: Run) -> Path:
        return self.path / "locks" / f"{Path(run.folder).name}.lock"

    def log(self, run: Run) -> Path:
        """The log of a failed run."""
        return self.path / "failed" / f"{Path(run.folder).name}.log"

    def write_log(self, run: Run, text: str) -> None:
        """Writes why a run failed: one line, then the traceback."""
        atomic.write_bytes(self.log(run), text.encode("utf-8", "backslashreplace"))  # file names need not be UTF-8

    def reason(self, run: Run) -> str:
        """Why a run failed, in one line."""
        return first_line(self.log(run))

    def state(self, run: Run) -> str:
        """ "finished", "failed", "begun" or "new"."""
        folder = self.path / run.folder
        if (folder / "metrics.json").is_file() and (folder / "run.json").is_file():
            return "finished"
        if self.log(run).is_file():
            return "failed"
        return "begun" if (folder / "begun.json").is_file() else "new"

    def records(self) -> tuple[Record, ...]:
        """The finished runs, in the grid's order."""
        return tuple(self._record(run) for run in self.grid.runs if self.state(run) == "finished")

    def _record(self, run: Run) -> Record:
        folder = self.path / run.folder
        metrics = read_model(folder / "metrics.json", Measured, AGAIN).metrics
        cost = read_model(folder / FINISHED, Finished, AGAIN).multiply_accumulates / 1e9
        return Record(run.variant.axes, run.seed, metrics | {COST: cost}, run.folder)

    def gather(self) -> None:
        """Rewrites `results.json` from the finished runs."""
        with FileLock(self.path / "locks" / "results.lock"):  # of two commands, the later one has read more runs
            content = json.dumps([asdict(record) for record in self.records()], indent=1)
            baseline = self.baseline()
            atomic.write_text(self.path / "results.json", content + "\n")
            if baseline:
                atomic.write_text(self.path / "baseline.json", json.dumps(baseline, indent=1) + "\n")

    def baseline(self) -> dict[str, float]:
        """The metrics of the backbone's own readout; {} if no backbone was trained here, or several were."""
        keys = {shared_key(config) for config in self.grid.configs}
        path = self.path / "shared" / keys.pop() / BASELINE
        if keys or not path.is_file():
            return {}
        return read_model(path, Metrics, AGAIN)

    def _file(self, id: str) -> GridFile:
        grid = self.grid
        runs = tuple(
            Planned(run.folder, run.seed, run.variant.axes, grid.changes(run), dict(run.variant.paper))
            for run in grid.runs
        )
        return GridFile(FORMAT, id, grid.ablation.caption, grid.config.model_dump(mode="json"), grid.seeds, runs)


BANK = "bank.safetensors"


def first_line(log: Path) -> str:
    """Why a run failed: the first line of its log.

    Raises:
        InputError: the log is not text.
    """
    with open_text(log, "a failure", AGAIN) as file:
        return file.readline().rstrip("\n")


def _identity(file: GridFile) -> dict[str, Any]:
    """What equal grids have in common: the base config, without keys that change no result, and each run's changes."""
    config = {key: value for key, value in flat(file.config).items() if not key.startswith(PRACTICAL)}
    return config | {run.run: run.changes for run in file.runs}


def _told(key: str, was: dict[str, Any], now: dict[str, Any]) -> str:
    if key.startswith("runs/"):
        if key not in was or key not in now:
            return f"{key} is {'new' if key in now else 'gone'}"
        return f"the changes of {key} were {was[key]}, now {now[key]}"
    return f"{key} was {was.get(key)!r}, now {now.get(key)!r}"
