"""A table's folder, read back: what its files hold, checked, and which of them are not there."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from embeddings import InputError
from experiments.report.samples import Samples

T = TypeVar("T")


class Record(BaseModel):
    """An entry of results.json."""

    variant: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    run: str


class Paper(BaseModel):
    """Published figures of one variant, fractions by metric."""

    variant: dict[str, Any]
    metrics: dict[str, float]


class About(BaseModel):
    """table.json: what the command that made a table knew of it."""

    caption: str | None = None
    command: str | None = None
    paper: list[Paper] = []


class Measured(BaseModel):
    """metrics.json of a run."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = {}
    protocol: dict[str, Any]


class History(BaseModel):
    """history.json of a run; the epoch counts from 0."""

    loss: list[float]
    validation_map: list[float]
    best_epoch: int


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
    provenance: Mapping[str, Any] | None
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
    """A table's folder; `axes` has the values of each variant, in the order of results.json."""

    name: str
    about: About | None
    runs: tuple[Run, ...]
    baseline: Mapping[str, float]

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


def read_table(folder: Path) -> Table:
    """Reads a table's folder.

    Raises:
        InputError: no table, or a file of it that is damaged; parts that are not there are no error.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise InputError(f"{folder} is no table's folder: it has no results.json; make one with zsl ablate")
    records = _read(path, list[Record])
    assert records is not None
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
    return Table(
        folder.resolve().name,
        _read(folder / "table.json", About),
        tuple(_read_run(folder, record) for record in records),
        _read(folder / "baseline.json", dict[str, float]) or {},
    )


def _read_run(folder: Path, record: Record) -> Run:
    run = folder / record.run
    parts: dict[str, Any] = {
        "metrics.json": _read(run / "metrics.json", Measured),
        "config.json": _read(run / "config.json", dict[str, Any]),
        "run.json": _read(run / "run.json", dict[str, Any]),
        "history.json": _read(run / "history.json", History),
        "labels.csv": _read_labels(run / "labels.csv"),
        "samples.json": _read(run / "samples.json", Samples),
    }
    axes = {axis: shown(value) for axis, value in record.variant.items()}
    lacks = tuple(name for name, part in parts.items() if part is None)
    return Run(axes, record.seed, record.run, record.metrics, *parts.values(), lacks)


def shown(value: Any) -> str:
    """A value as tables show it: file names without their folders."""
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^+:,=]*/(?=[^+/])", "", text)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        reason = f"{where}: {fault['msg']}" if where else fault["msg"]
        raise InputError(f"{path} is damaged ({reason}); make it again, or remove it") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); mend it, or remove it") from error


def _read_labels(path: Path) -> list[LabelRow] | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file, strict=True)
            return [_label_row(line) for line in lines]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); make it again with zsl evaluate, or remove it") from error


def _label_row(line: dict[str, str]) -> LabelRow:
    values = {name: value for name, value in line.items() if name not in ("label", "part")}
    ap = {name[3:]: float(v) if v else None for name, v in values.items() if name.startswith("ap:")}
    facts = {name: value.strip() for name, value in values.items() if not name.startswith("ap:")}
    return LabelRow(label=line["label"], part=line["part"], facts=facts, ap=ap)
