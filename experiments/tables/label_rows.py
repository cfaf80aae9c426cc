"""`labels.csv` of a run, read back: what is known of each label, and its AP."""

import math
from pathlib import Path

from pydantic import BaseModel

from embeddings.io.errors import InputError
from embeddings.io.markup import from_csv
from embeddings.io.reading import read_rows

AGAIN = "make it again with zsl evaluate, or remove it"
NAMES = ("label", "part")  # the columns that every labels.csv has
NUMBERS = ("train_images", "test_images", "similarity", "chance_ap")


class LabelRow(BaseModel):
    """A line of labels.csv: what is known of a label, and its AP by protocol, as fractions."""

    label: str
    part: str
    facts: dict[str, str]
    ap: dict[str, float | None]


def read_label_rows(path: Path) -> list[LabelRow]:
    """The lines of a run's `labels.csv`, which `zsl.evaluation.per_label.PerLabel` wrote.

    Raises:
        InputError: a column that every such file has is missing, or a line does not fit the header.
    """
    lines = read_rows(path, "a run's labels")
    _, header = next(lines, (1, []))
    lacking = set(NAMES) - set(header)
    if lacking:
        raise InputError(f"{path}:1: no column {min(lacking)!r}; {AGAIN}")
    return [_label_row(header, line, f"{path}:{number}") for number, line in lines]


def _label_row(header: list[str], line: list[str], place: str) -> LabelRow:
    if len(line) != len(header):
        raise InputError(f"{place}: {len(line)} fields, but the header has {len(header)}; {AGAIN}")
    values = {name: from_csv(value) for name, value in zip(header, line, strict=True)}
    numbers = {name: _number(value, place) for name, value in values.items() if name in NUMBERS or name[:3] == "ap:"}
    ap = {name[3:]: value for name, value in numbers.items() if name[:3] == "ap:"}
    facts = {name: value for name, value in values.items() if name[:3] != "ap:" and name not in NAMES}
    return LabelRow(label=values["label"], part=values["part"], facts=facts, ap=ap)


def _number(text: str, place: str) -> float | None:
    """The number of a field; None if the field is empty."""
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not math.isfinite(value):
        raise InputError(f"{place}: {text[:50]!r} is not a number; {AGAIN}")
    return value
