"""The CSV layout of ML-Decoder: `data.csv` (filepath, classes as "[a, b]", split_name) and a split JSON."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import read_rows, separator_notes, separator_of
from embeddings.io.spelling import nearest
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, assemble
from zsl.data.layouts.split import read_split, without
from zsl.data.targets import Targets

COLUMNS = ("filepath", "classes", "split_name")
QUOTED = re.compile(r"""\s*(?:'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)")\s*""", re.DOTALL)
ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|U0010[0-9a-fA-F]{4}|.)", re.DOTALL)


class CsvConfig(ImagesConfig):
    """`root` holds the images, and the two files unless they have other paths.

    `unseen`: a file of unseen labels, one name per line, instead of the split file; all other labels are seen.
    `closed`: there are no unseen labels and no split file.
    """

    name: Literal["csv"] = "csv"
    root: Path
    csv: Path = Path("data.csv")
    split: Path = Path("split.json")
    unseen: Path | None = None
    closed: bool = False
    train: str = "train"
    test: str = "val"

    def load(self) -> MultiLabelData:
        """Unseen labels of training rows are ignored; training rows without a seen label are left out.

        Raises:
            InputError: a missing file or column, a row with an unknown label, missing images that are not skipped, a
                part without an image.
        """
        if self.train == self.test:
            raise InputError(f"data.train and data.test are both {self.train!r}: the test rows would be trained on")
        table = self.root / self.csv
        rows, notes = _rows(table)
        every = sorted({label for row in rows for label in row.labels})
        split = self.root / (self.unseen or self.split)
        seen, unseen = tuple(every), tuple[str, ...]()
        if self.unseen is not None and self.closed:
            raise InputError("data.closed and data.unseen contradict each other; give one")
        if self.unseen is not None:
            seen, unseen = without(every, split)
        elif not self.closed:
            seen, unseen = read_split(split, every, whole=True)
        column = {label: index for index, label in enumerate(seen + unseen)}
        for row in rows:
            if row.part not in (self.train, self.test):
                told = f"{table}:{row.line}: split_name {brief(row.part)}"
                raise InputError(f"{told} is neither {self.train!r} nor {self.test!r}")
            strange = next((label for label in row.labels if label not in column), None)
            if strange is not None:
                near = nearest(strange, column)
                hint = f" (nearest: {near!r})" if near else ""
                told = f"{table}:{row.line}: unknown label {brief(strange)}{hint}"
                raise InputError(f"{told}; add it to {split.name} or correct it")

        def annotated(part: str) -> AnnotatedFiles:
            own = [row for row in rows if row.part == part]
            if not own:
                raise InputError(f"{table}: no usable row with split_name {part!r}")
            entries = [(number, column[label]) for number, row in enumerate(own) for label in row.labels]
            places, columns = np.array(entries, np.int64).reshape(-1, 2).T
            targets = Targets.of_entries(places, columns, (len(own), len(column)))
            return AnnotatedFiles([row.path for row in own], targets, table, [row.line for row in own])

        parts = annotated(self.train), annotated(self.test)
        data = assemble(self, self.root.resolve().name, self.root, (seen, unseen), parts)
        return replace(data, notes=(*data.notes, *notes))


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    line: int
    path: str
    labels: list[str]
    part: str


def _rows(table: Path) -> tuple[list[Row], list[str]]:
    """The table's rows, and notes for the user about how they were read."""
    separator = separator_of(table, "labels", lambda header: set(COLUMNS) <= set(header))
    lines = read_rows(table, "labels", delimiter=separator)
    _, header = next(lines, (1, []))
    lacking = [name for name in COLUMNS if name not in header]
    if lacking:
        raise InputError(f"{table}:1: no column {lacking[0]!r}; the header is {','.join(COLUMNS)}")
    columns = [dict(zip(header, range(len(header)), strict=True))[name] for name in COLUMNS]
    rows = []
    for line, fields in lines:
        place = f"{table}:{line}"
        if max(columns) >= len(fields):
            raise InputError(f"{place}: fewer than {len(COLUMNS)} fields")
        path, classes, part = (fields[column].strip() for column in columns)
        rows.append(Row(line, path, _labels(classes, place), part))
    return rows, separator_notes(table, separator)


def _labels(classes: str, place: str) -> list[str]:
    """Names of "[a, b]", or of "['a', 'b']", in which a name may hold commas."""
    inner = classes.removeprefix("[").removesuffix("]").strip()
    if inner and inner[0] in "'\"" and inner[-1] in "'\"":
        names = list(_quoted(inner, f"{place}: classes {brief(classes)}"))
    else:
        names = inner.split(",")
        if any(name.lstrip().startswith(("'", '"')) for name in names):
            raise InputError(f"{place}: classes {brief(classes)}: quote all names or none")
    return [label_name(name, place) for name in names if name.strip()]


def _quoted(text: str, place: str) -> Iterator[str]:
    """The names in the text of a Python list. It is not evaluated: Python would join names without a comma."""
    at = 0
    while at < len(text):
        found = QUOTED.match(text, at)
        if found is None:
            raise InputError(f"{place} are not a list of quoted names; correct them")
        at = found.end()
        if at < len(text) and text[at] != ",":
            raise InputError(f"{place} lack a comma after {brief(found[0].strip())}; write ['a', 'b']")
        at += 1
        yield ESCAPED.sub(_unescaped, found[1] if found[2] is None else found[2])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "\n": ""}.get(code, code if code in "\\'\"" else found[0])
