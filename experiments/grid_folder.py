"""A grid's folder, which holds all that is known of its state.

`grid.json` is the grid; `runs/` its runs, of which those with a `metrics.json` are finished; `failed/` the logs of
those that failed; `locks/` a lock for each run, held by the process that does it; `shared/` what runs share.
"""

import json
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from embeddings import Bank, InputError, atomic
from experiments.ablation import COST, Record, Results, random_labels
from experiments.config import flat
from experiments.files import check_new, new_folder
from experiments.grid import Grid, Run
from experiments.run import PRACTICAL
from experiments.shared import BASELINE, shared_key

FORMAT = "zsl-grid/2"
FOLDERS = ("runs", "failed", "locks", "shared")


@dataclass(frozen=True)
class GridFolder:
    """The folder of a grid, which may be there already."""

    path: Path
    grid: Grid

    def check(self) -> None:
        """Checks that the folder is not there yet, or is this grid's.

        Raises:
            InputError: it is something else's, or another grid's; it names the keys that differ.
        """
        if not (self.path / "grid.json").is_file():
            check_new(self.path)
            return
        try:
            before = json.loads((self.path / "grid.json").read_text("utf-8"))
            if before["format"] != FORMAT:
                raise ValueError(f"its format is {before['format']}")
            was = _identity(before)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path / 'grid.json'} is no grid ({error}); choose another --out") from error
        now = _identity(json.loads(json.dumps(self._content())))
        other = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        if other:
            told = "; ".join(_told(key, was, now) for key in other[:4])
            more = f"; and {len(other) - 4} more" if len(other) > 4 else ""
            raise InputError(f"{self.path} holds another grid: {told}{more}; give the same, or choose another --out")

    def begin(self) -> None:
        """Makes the folder, whole at once; one that is there is gone on with.

        Raises:
            InputError: as `check`, or it cannot be made.
        """
        self.check()
        if self.path.exists():
            return
        content = self._content() | {"id": uuid.uuid4().hex}
        try:
            with new_folder(self.path) as made:
                for name in FOLDERS:
                    (made / name).mkdir()
                atomic.write_text(made / "grid.json", json.dumps(content, indent=1) + "\n")
        except InputError:
            if not self.path.exists():
                raise
            self.check()  # another command has made it meanwhile

    @property
    def id(self) -> str:
        """Tells this folder from every other, on every machine."""
        return str(json.loads((self.path / "grid.json").read_text("utf-8"))["id"])

    def lock(self, run: Run) -> Path:
        return self.path / "locks" / f"{Path(run.folder).name}.lock"

    def log(self, run: Run) -> Path:
        """Why a run failed."""
        return self.path / "failed" / f"{Path(run.folder).name}.log"

    def write_log(self, run: Run, text: str) -> None:
        """Keeps why a run failed: a line, and the whole story below it."""
        atomic.write_text(self.log(run), text)

    def reason(self, run: Run) -> str:
        """The line that tells why a run failed."""
        return self.log(run).read_text("utf-8").partition("\n")[0]

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
        path = folder / "metrics.json"
        try:
            metrics = json.loads(path.read_text("utf-8"))["metrics"]
            path = folder / "run.json"
            cost = json.loads(path.read_text("utf-8"))["multiply_accumulates"] / 1e9
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove it, and give the command again") from error
        return Record(run.variant.axes, run.seed, metrics | {COST: cost}, run.folder)

    def gather(self) -> None:
        """Writes `results.json` anew from the finished runs."""
        with FileLock(self.path / "locks" / "results.lock"):  # of two commands, the later one has read more
            content = json.dumps([asdict(record) for record in self.records()], indent=1)
            atomic.write_text(self.path / "results.json", content + "\n")
            baseline = self.baseline()
            if baseline:
                atomic.write_text(self.path / "baseline.json", json.dumps(baseline, indent=1) + "\n")

    def baseline(self) -> dict[str, float]:
        """The metrics of the backbone's own readout; {} where it was not trained here, or there are several."""
        keys = {shared_key(config) for config in self.grid.configs}
        path = self.path / "shared" / keys.pop() / BASELINE
        if keys or not path.is_file():
            return {}
        found: dict[str, float] = json.loads(path.read_text("utf-8"))
        return found

    def results(self) -> Results | None:
        """The table of the variants that are finished under all seeds; None if there is none.

        Means over other seeds than the next row's do not compare, so that the rest stands in `results.json` alone.
        """
        records = self.records()
        seeds = len(self.grid.seeds)
        count = {v.title: sum(r.variant == v.axes for r in records) for v in self.grid.ablation.variants}
        variants = tuple(v for v in self.grid.ablation.variants if count[v.title] == seeds)
        if not variants:
            return None
        axes = [v.axes for v in variants]
        kept = tuple(record for record in records if record.variant in axes)
        filled = {
            v.title: random_labels(Bank.load(self.path / Run(v, self.grid.seeds[0], self.grid.config).folder / BANK))
            for v in variants
        }
        return Results(
            replace(self.grid.ablation, variants=variants),
            self.grid.config,
            kept,
            self.baseline(),
            filled,
        )

    def _content(self) -> dict[str, Any]:
        grid = self.grid
        return {
            "format": FORMAT,
            "caption": grid.ablation.caption,
            "config": grid.config.model_dump(mode="json"),
            "seeds": grid.seeds,
            "runs": [
                {
                    "run": run.folder,
                    "seed": run.seed,
                    "variant": run.variant.axes,
                    "changes": grid.changes(run),
                    "paper": dict(run.variant.paper),
                }
                for run in grid.runs
            ],
        }


BANK = "bank.safetensors"


def _identity(content: dict[str, Any]) -> dict[str, Any]:
    """What makes two grids one: the base config, but for keys that change no result, and what each run changes."""
    config = {key: value for key, value in flat(content["config"]).items() if not key.startswith(PRACTICAL)}
    return config | {run["run"]: run["changes"] for run in content["runs"]}


def _told(key: str, was: dict[str, Any], now: dict[str, Any]) -> str:
    if key.startswith("runs/"):
        if key not in was or key not in now:
            return f"{key} is {'new' if key in now else 'gone'}"
        return f"{key} changed {was[key]}, now {now[key]}"
    return f"{key} was {was.get(key)!r}, now {now.get(key)!r}"
