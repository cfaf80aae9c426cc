"""A table's folder, read back: what its files hold, checked, and which of them are not there."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, Self, TypeVar

from pydantic import BaseModel, model_validator

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.markup import from_csv
from embeddings.io.reading import read_model, read_rows
from experiments.grids.folder import GridFile, first_line
from experiments.grids.variants import Record
from experiments.runs.result import Measured, Metrics
from experiments.runs.samples import Samples
from zsl.runs.records import FINISHED, Finished

T = TypeVar("T")
AGAIN = "make it again, or remove it"
LABELS_AGAIN = "make it again with zsl evaluate, or remove it"
NAMES = ("label", "part")  # the columns that every labels.csv has
NUMBERS = ("train_images", "test_images", "similarity", "chance_ap")


class Paper(BaseModel):
    """Published figures of one variant, fractions by metric."""

    variant: dict[str, Any]
    metrics: Metrics


class About(BaseModel):
    """table.json: what the command that made a table knew of it; `machine` is where costs were measured."""

    caption: str
    command: str
    paper: list[Paper] = []
    machine: dict[str, str] = {}


class History(BaseModel):
    """history.json of a run; the epoch counts from 0."""

    loss: list[float]
    validation_map: list[float]
    best_epoch: int

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not 0 <= self.best_epoch < len(self.loss) == len(self.validation_map):
            raise ValueError(f"epoch {self.best_epoch} is not one of {len(self.loss)} and {len(self.validation_map)}")
        return self


class LabelRow(BaseModel):
    """A line of labels.csv: what is known of a label, and its AP by protocol, fractions."""

    label: str
    part: str
    facts: dict[str, str]
    ap: dict[str, float | None]


@dataclass(frozen=True)
class Run:
    """One run; what its folder lacks is None, and named in `lacks`."""

    axes: Mapping[str, str]
    seed: int
    path: str
    metrics: Mapping[str, float]
    measured: Measured | None
    config: Mapping[str, Any] | None
    record: Finished | None
    history: History | None
    labels: Sequence[LabelRow] | None
    samples: Samples | None
    lacks: tuple[str, ...]

    @property
    def title(self) -> str:
        """The variant's values in one line."""
        return title_of(self.axes)


@dataclass(frozen=True)
class Table:
    """A table's folder; `unfinished` has the planned runs that it lacks, with the line that tells why one failed."""

    name: str
    caption: str
    command: str | None
    paper: Mapping[str, Mapping[str, float]]
    runs: tuple[Run, ...]
    baseline: Mapping[str, float]
    machine: Mapping[str, str]
    unfinished: Mapping[str, str | None]

    @property
    def variants(self) -> list[Mapping[str, str]]:
        """Each variant once, in order."""
        return list({run.title: run.axes for run in self.runs}.values())

    def of(self, axes: Mapping[str, str]) -> list[Run]:
        """A variant's runs by seed."""
        return sorted((run for run in self.runs if run.axes == axes), key=lambda run: run.seed)


def title_of(axes: Mapping[str, str]) -> str:
    """A variant in one line."""
    return " / ".join(axes.values())


def save_about(
    folder: Path,
    caption: str,
    command: str,
    papers: Sequence[tuple[Mapping[str, Any], Mapping[str, float]]],
    machine: Mapping[str, str] | None = None,
) -> None:
    """Writes `table.json`; `papers` has a variant's values and its published figures by metric."""
    paper = [Paper(variant=dict(variant), metrics=dict(metrics)) for variant, metrics in papers if metrics]
    about = About(caption=caption, command=command, paper=paper, machine=dict(machine or {}))
    atomic.write_text(folder / "table.json", about.model_dump_json(indent=1) + "\n")


def read_table(folder: Path) -> Table:
    """Reads a table's folder.

    Raises:
        InputError: no table, or a file of it that is damaged; parts that are not there are no error.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise InputError(f"{folder} is no table's folder: it has no results.json; make one with zsl ablate")
    records = read_model(path, list[Record], AGAIN)
    if not records:
        raise InputError(f"{path} holds no run; go on with the table, or make another with zsl ablate")
    axes = list(records[0].variant)
    for record in records:
        if list(record.variant) != axes:
            raise InputError(
                f"{path}: {record.run} has the axes {list(record.variant)}, the first run {axes}; make the table again"
            )
    twice = len(records) - len({(json.dumps(r.variant), r.seed) for r in records})
    if twice:
        raise InputError(f"{path} holds {twice} runs twice (same variant and seed); make the table again")
    about, plan = _read(folder / "table.json", About), _read(folder / "grid.json", GridFile)
    known = [
        *(about.paper if about else []),
        *(Paper(variant=planned.variant, metrics=planned.paper) for planned in (plan.runs if plan else [])),
    ]
    variants = {json.dumps(record.variant): record.variant for record in records}
    name = folder.resolve().name
    # two files of one name in different folders: the names alone would make one variant of two
    short = len({title_of(shown(variant)) for variant in variants.values()}) == len(variants)
    return Table(
        name,
        about.caption if about else plan.caption if plan else name,
        about.command if about else None,
        {title_of(shown(paper.variant, short)): paper.metrics for paper in reversed(known) if paper.metrics},
        tuple(_read_run(folder, record, short) for record in records),
        _read(folder / "baseline.json", Metrics) or {},
        about.machine if about else {},
        _unfinished(folder, records, plan),
    )


def _unfinished(folder: Path, records: Sequence[Record], plan: GridFile | None) -> dict[str, str | None]:
    done, found = {record.run for record in records}, {}
    for run in plan.runs if plan else []:
        if run.run not in done:
            log = folder / "failed" / f"{Path(run.run).name}.log"
            found[run.run] = first_line(log) if log.is_file() else None
    return found


def _read_run(folder: Path, record: Record, short: bool) -> Run:
    run = folder / record.run
    if not run.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder / 'results.json'}: run {record.run!r} lies outside {folder}; make the table again")
    measured, config = _read(run / "metrics.json", Measured), _read(run / "config.json", dict[str, Any])
    finished, history = _read(run / FINISHED, Finished), _read(run / "history.json", History)
    labels, samples = _read_labels(run / "labels.csv"), _read(run / "samples.json", Samples)
    parts = {
        "metrics.json": measured,
        "config.json": config,
        FINISHED: finished,
        "history.json": history,
        "labels.csv": labels,
        "samples.json": samples,
    }
    return Run(
        axes=shown(record.variant, short),
        seed=record.seed,
        path=record.run,
        metrics=record.metrics,
        measured=measured,
        config=config,
        record=finished,
        history=history,
        labels=labels,
        samples=samples,
        lacks=tuple(name for name, part in parts.items() if part is None and record.run),
    )


def shown(variant: Mapping[str, Any], short: bool = True) -> dict[str, str]:
    """A variant's values as tables show them, file names without their folders if they are to be `short`."""
    texts = {a: v if isinstance(v, str) else "none" if v is None else json.dumps(v) for a, v in variant.items()}
    return {axis: re.sub(r"[^+:,=]*/(?=[^+/])", "", text) if short else text for axis, text in texts.items()}


def _read(path: Path, kind: type[T] | GenericAlias) -> T | None:
    return read_model(path, kind, AGAIN) if path.exists() else None


def _read_labels(path: Path) -> list[LabelRow] | None:
    if not path.exists():
        return None
    lines = read_rows(path, "a run's labels")
    _, header = next(lines, (1, []))
    lacking = set(NAMES) - set(header)
    if lacking:
        raise InputError(f"{path}:1: no column {min(lacking)!r}; {LABELS_AGAIN}")
    return [_label_row(header, line, f"{path}:{number}") for number, line in lines]


def _label_row(header: list[str], line: list[str], place: str) -> LabelRow:
    if len(line) != len(header):
        raise InputError(f"{place}: {len(line)} fields, but the header has {len(header)}; {LABELS_AGAIN}")
    values = {name: from_csv(value) for name, value in zip(header, line, strict=True)}
    numbers = {name: _number(value, place) for name, value in values.items() if name in NUMBERS or name[:3] == "ap:"}
    ap = {name[3:]: value for name, value in numbers.items() if name[:3] == "ap:"}
    facts = {name: value for name, value in values.items() if name[:3] != "ap:" and name not in NAMES}
    return LabelRow(label=values["label"], part=values["part"], facts=facts, ap=ap)


def _number(text: str, place: str) -> float | None:
    """None of an empty field."""
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not math.isfinite(value):
        raise InputError(f"{place}: {text[:50]!r} is no number; {LABELS_AGAIN}")
    return value
