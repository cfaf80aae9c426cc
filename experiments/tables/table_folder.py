"""Reads a table's folder: the checked content of its files, and which files are missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model
from experiments.grids.folder import BANK, GridFile, first_line
from experiments.grids.variants import Record, random_labels, shown_value
from experiments.runs.errors import NAME as ERRORS
from experiments.runs.result import BOOTSTRAP, Measured, Metrics, Replicates
from experiments.runs.samples import Samples
from experiments.tables.label_rows import LabelRow, read_label_rows
from zsl.runs.records import FINISHED, Finished
from zsl.training.history import Epochs

T = TypeVar("T")
AGAIN = "make it again, or remove it"


class Paper(BaseModel):
    """Published figures of one variant, fractions by metric."""

    variant: dict[str, Any]
    metrics: Metrics


class About(BaseModel):
    """`table.json`: what the command that made a table recorded about it.

    `paper_note` says on which data the published figures were measured. `machine` and `setup` say where and how costs
    were measured.
    """

    caption: str
    command: str
    paper: list[Paper] = []
    paper_note: str = ""
    machine: dict[str, str] = {}
    setup: str = ""


@dataclass(frozen=True)
class FinishedRun:
    """A run of a table, read back. Files that its folder lacks are None, and named in `lacks`.

    Args:
        axes: its variant's values as tables show them, by axis.
        seed: of its training.
        path: its folder, relative to the table's; "" where nothing was trained.
        metrics: as the table has them.
        measured: `metrics.json`.
        replicates: `bootstrap.json`: (replicate,) of each metric, NaN where it is not defined.
        config: `config.json`.
        record: `run.json`.
        history: `history.json`.
        labels: `labels.csv`.
        samples: `samples.json`.
        errors: the path of `errors.json`, which is read where it is shown: it may have megabytes.
        lacks: the missing files.
    """

    axes: Mapping[str, str]
    seed: int
    path: str
    metrics: Mapping[str, float]
    measured: Measured | None
    replicates: Mapping[str, np.ndarray] | None
    config: Mapping[str, Any] | None
    record: Finished | None
    history: Epochs | None
    labels: Sequence[LabelRow] | None
    samples: Samples | None
    errors: Path | None
    lacks: tuple[str, ...]

    @property
    def title(self) -> str:
        """The variant's values in one line."""
        return title_of(self.axes)


@dataclass(frozen=True)
class TableFolder:
    """A table's folder, read back.

    Args:
        path: of the folder.
        caption: of the table.
        command: that made it, if that is known.
        paper: published figures by metric, by variant's title.
        paper_note: on which data they were measured; "" if that is not known.
        runs: those that are finished.
        baseline: metrics of the backbone's own readout; {} where it was not trained here.
        machine: where costs were measured; {} of a table that was trained.
        setup: how costs were measured; "" if that is not known, and of a table that was trained.
        unfinished: planned runs that are not finished, with the line that tells why one failed.
        plan: `grid.json`; None for a table that was measured.
    """

    path: Path
    caption: str
    command: str | None
    paper: Mapping[str, Mapping[str, float]]
    paper_note: str
    runs: tuple[FinishedRun, ...]
    baseline: Mapping[str, float]
    machine: Mapping[str, str]
    setup: str
    unfinished: Mapping[str, str | None]
    plan: GridFile | None

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.path.resolve().name

    @property
    def variants(self) -> list[Mapping[str, str]]:
        """Each variant once, in order."""
        return list({run.title: run.axes for run in self.runs}.values())

    def of(self, axes: Mapping[str, str]) -> list[FinishedRun]:
        """A variant's runs by seed."""
        return sorted((run for run in self.runs if run.axes == axes), key=lambda run: run.seed)

    def note(self, axes: Mapping[str, str]) -> str:
        """What a reader should know of a variant, from the bank of its first run; "" for nothing.

        Raises:
            InputError: the bank is damaged.
        """
        run = self.of(axes)[0].path
        bank = self.path / run / BANK
        count = random_labels(Bank.load(bank)) if run and bank.is_file() else 0
        return f"{count} labels have random vectors" if count else ""


def title_of(axes: Mapping[str, str]) -> str:
    """A variant in one line."""
    return " / ".join(axes.values())


def papers_of(papers: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]]) -> list[Paper]:
    """The published figures of variants that have any, from each variant's values and its figures by metric."""
    return [Paper(variant=dict(variant), metrics=dict(metrics)) for variant, metrics in papers if metrics]


def save_about(folder: Path, about: About) -> None:
    """Writes `table.json` into a table's folder."""
    empty = {name for name in ("paper_note", "setup") if not getattr(about, name)}
    atomic.write_text(folder / "table.json", about.model_dump_json(indent=1, exclude=empty) + "\n")


def read_table_folder(folder: Path) -> TableFolder:
    """Reads a table's folder; missing parts are not an error.

    Raises:
        InputError: the folder holds no table, or one of its files is damaged.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise InputError(f"{folder} is not the folder of a table: it has no results.json; make one with zsl ablate")
    records = read_model(path, list[Record], AGAIN)
    _check_records(records, path)
    about, plan = _read(folder / "table.json", About), _read(folder / "grid.json", GridFile)
    known = [
        *(about.paper if about else []),
        *(Paper(variant=planned.variant, metrics=planned.paper) for planned in (plan.runs if plan else [])),
    ]
    variants = {json.dumps(record.variant): record.variant for record in records}
    # with two files of the same name in different folders, file names alone would merge two variants
    short = len({title_of(shown(variant)) for variant in variants.values()}) == len(variants)
    return TableFolder(
        folder,
        about.caption if about else plan.caption if plan else folder.resolve().name,
        about.command if about else None,
        {title_of(shown(paper.variant, short)): paper.metrics for paper in reversed(known) if paper.metrics},
        about.paper_note if about else "",
        tuple(_read_run(folder, record, short) for record in records),
        _read(folder / "baseline.json", Metrics) or {},
        about.machine if about else {},
        about.setup if about else "",
        _unfinished(folder, records, plan),
        plan,
    )


def _check_records(records: Sequence[Record], path: Path) -> None:
    if not records:
        raise InputError(f"{path} holds no finished run; continue the table, or make another with zsl ablate")
    axes = list(records[0].variant)
    for record in records:
        if list(record.variant) != axes:
            raise InputError(
                f"{path}: {record.run} has the axes {list(record.variant)}, the first run {axes}; make the table again"
            )
    twice = len(records) - len({(json.dumps(r.variant), r.seed) for r in records})
    if twice:
        raise InputError(f"{path} holds {twice} duplicate runs (same variant and seed); make the table again")


def _unfinished(folder: Path, records: Sequence[Record], plan: GridFile | None) -> dict[str, str | None]:
    done, found = {record.run for record in records}, {}
    for run in plan.runs if plan else []:
        if run.run not in done:
            log = folder / "failed" / f"{Path(run.run).name}.log"
            found[run.run] = first_line(log) if log.is_file() else None
    return found


def _read_run(folder: Path, record: Record, short: bool) -> FinishedRun:
    run = folder / record.run
    if not run.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder / 'results.json'}: run {record.run!r} lies outside {folder}; make the table again")
    labels = run / "labels.csv"
    parts = {
        "metrics.json": (measured := _read(run / "metrics.json", Measured)),
        BOOTSTRAP: (replicates := _read(run / BOOTSTRAP, Replicates)),
        "config.json": (config := _read(run / "config.json", dict[str, Any])),
        FINISHED: (finished := _read(run / FINISHED, Finished)),
        "history.json": (history := _read_history(run / "history.json")),
        "labels.csv": (rows := read_label_rows(labels) if labels.exists() else None),
        "samples.json": (samples := _read(run / "samples.json", Samples)),
        ERRORS: (errors := path if (path := run / ERRORS).is_file() else None),
    }
    return FinishedRun(
        axes=shown(record.variant, short),
        seed=record.seed,
        path=record.run,
        metrics=record.metrics,
        measured=measured,
        replicates=None if replicates is None else {k: np.array(v, np.float64) for k, v in replicates.items()},
        config=config,
        record=finished,
        history=history,
        labels=rows,
        samples=samples,
        errors=errors,
        lacks=tuple(name for name, part in parts.items() if part is None and record.run),
    )


def shown(variant: Mapping[str, Any], short: bool = True) -> dict[str, str]:
    """A variant's values as tables show them; if `short`, file names are without their folders."""
    return {axis: shown_value(value, short) for axis, value in variant.items()}


def _read(path: Path, kind: type[T] | GenericAlias) -> T | None:
    return read_model(path, kind, AGAIN) if path.exists() else None


def _read_history(path: Path) -> Epochs | None:
    history = _read(path, Epochs)
    if history is not None and not 0 <= history.best_epoch < len(history.loss) == len(history.validation_map):
        told = f"epoch {history.best_epoch} is not one of {len(history.loss)} and {len(history.validation_map)}"
        raise InputError(f"{path} is damaged ({told}); {AGAIN}")
    return history
