"""A table's folder, read back: what its files hold, checked, and which of them are not there."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from embeddings import InputError, atomic
from embeddings.markup import from_csv
from experiments.samples import Samples

T = TypeVar("T")


class Record(BaseModel):
    """An entry of results.json; `run` is "" where nothing was trained."""

    variant: dict[str, Any]
    seed: int
    metrics: dict[str, float]
    run: str


class Paper(BaseModel):
    """Published figures of one variant, fractions by metric."""

    variant: dict[str, Any]
    metrics: dict[str, float]


class About(BaseModel):
    """table.json: what the command that made a table knew of it; `machine` is where costs were measured."""

    caption: str
    command: str
    paper: list[Paper] = []
    machine: dict[str, str] = {}


class Planned(BaseModel):
    """A run of a grid; `paper` has the variant's published figures by metric."""

    run: str
    seed: int
    variant: dict[str, Any]
    paper: dict[str, float] = {}


class Plan(BaseModel):
    """grid.json: all runs that a table is to have."""

    caption: str
    runs: list[Planned]


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
    about, plan = _read(folder / "table.json", About), _read(folder / "grid.json", Plan)
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
        _read(folder / "baseline.json", dict[str, float]) or {},
        about.machine if about else {},
        _unfinished(folder, records, plan),
    )


def _unfinished(folder: Path, records: Sequence[Record], plan: Plan | None) -> dict[str, str | None]:
    done, found = {record.run for record in records}, {}
    for run in plan.runs if plan else []:
        if run.run not in done:
            log = folder / "failed" / f"{Path(run.run).name}.log"
            found[run.run] = log.read_text("utf-8").partition("\n")[0] if log.is_file() else None
    return found


def _read_run(folder: Path, record: Record, short: bool) -> Run:
    run = folder / record.run
    measured, config = _read(run / "metrics.json", Measured), _read(run / "config.json", dict[str, Any])
    provenance, history = _read(run / "run.json", dict[str, Any]), _read(run / "history.json", History)
    labels, samples = _read_labels(run / "labels.csv"), _read(run / "samples.json", Samples)
    parts = {
        "metrics.json": measured,
        "config.json": config,
        "run.json": provenance,
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
        provenance=provenance,
        history=history,
        labels=labels,
        samples=samples,
        lacks=tuple(name for name, part in parts.items() if part is None and record.run),
    )


def shown(variant: Mapping[str, Any], short: bool = True) -> dict[str, str]:
    """A variant's values as tables show them, file names without their folders if they are to be `short`."""
    texts = {a: v if isinstance(v, str) else "none" if v is None else json.dumps(v) for a, v in variant.items()}
    return {axis: re.sub(r"[^+:,=]*/(?=[^+/])", "", text) if short else text for axis, text in texts.items()}


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
            lacking = {"label", "part"} - set(lines.fieldnames or ())
            if lacking:
                raise ValueError(f"no column {min(lacking)!r}")
            return [_label_row(line, lines.line_num) for line in lines]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); make it again with zsl evaluate, or remove it") from error


def _label_row(line: dict[str, str], number: int) -> LabelRow:
    if None in line or None in line.values():
        raise ValueError(f"line {number} has more or fewer fields than the header")
    values = {name: from_csv(value) for name, value in line.items()}
    ap = {name[3:]: float(value) if value else None for name, value in values.items() if name.startswith("ap:")}
    known = {name for name in values if name.startswith("ap:")} | {"label", "part"}
    facts = {name: value for name, value in values.items() if name not in known}
    return LabelRow(label=values["label"], part=values["part"], facts=facts, ap=ap)
