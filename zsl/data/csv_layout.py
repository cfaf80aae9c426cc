"""The CSV layout of ML-Decoder: `data.csv` (filepath, classes as "[a, b]", split_name) and a split JSON."""

import ast
import csv
import difflib
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings import InputError
from zsl.data.assembly import Annotated, ImagesConfig, assemble
from zsl.data.dataset import MultiLabelData
from zsl.data.split import read_split, without
from zsl.data.targets import Targets

COLUMNS = ("filepath", "classes", "split_name")


class CsvConfig(ImagesConfig):
    """`root` holds the images, and the two files unless they are given with paths of their own.

    `unseen`: a file of unseen names, one a line, instead of the split file; the other labels are seen. `closed`: there
    are no unseen labels and no split file.
    """

    name: Literal["csv"]
    root: Path
    csv: Path = Path("data.csv")
    split: Path = Path("split.json")
    unseen: Path | None = None
    closed: bool = False
    train: str = "train"
    test: str = "val"


def load_csv(config: CsvConfig) -> MultiLabelData:
    """Reads the layout; unseen labels in training rows are ignored, training rows without a seen label left out.

    Raises:
        InputError: a missing file or column, a row with an unknown label, images that are missing, an empty part.
    """
    if config.train == config.test:
        raise InputError(f"data.train and data.test are both {config.train!r}: the test rows would be trained on")
    table = config.root / config.csv
    rows = _rows(table)
    every = sorted({label for row in rows for label in row[2]})
    split = config.root / (config.unseen or config.split)
    seen, unseen = tuple(every), tuple[str, ...]()
    if config.unseen is not None and config.closed:
        raise InputError("data.closed and data.unseen contradict each other; give one")
    if config.unseen is not None:
        seen, unseen = without(every, split)
    elif not config.closed:
        seen, unseen = read_split(split, every, whole=True)
    column = {label: index for index, label in enumerate(seen + unseen)}
    files: dict[str, list[str]] = {config.train: [], config.test: []}
    entries: dict[str, list[tuple[int, int]]] = {config.train: [], config.test: []}
    for line, filepath, labels, part in rows:
        if part not in files:
            raise InputError(f"{table}:{line}: split_name {part!r} is neither {config.train!r} nor {config.test!r}")
        for label in labels:
            if label not in column:
                near = difflib.get_close_matches(label, column, n=1)
                hint = f" (nearest: {near[0]!r})" if near else ""
                raise InputError(f"{table}:{line}: unknown label {label!r}{hint}; add it to {split.name} or correct it")
            entries[part].append((len(files[part]), column[label]))
        files[part].append(filepath)

    def annotated(part: str) -> Annotated:
        rows, columns = np.array(entries[part], np.int64).reshape(-1, 2).T
        return Annotated(files[part], Targets.of_entries(rows, columns, (len(files[part]), len(column))))

    for part in files:
        if not files[part]:
            raise InputError(f"{table}: no usable row with split_name {part!r}")
    parts = annotated(config.train), annotated(config.test)
    return assemble(config, config.root.resolve().name, config.root, (seen, unseen), parts)


def _rows(table: Path) -> list[tuple[int, str, list[str], str]]:
    if not table.is_file():
        raise InputError(f"no CSV file {table}")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(f"{table}:1: no column {lacking[0]!r}; the header is {','.join(COLUMNS)}")
            rows = []
            for record in reader:
                if any(record[name] is None for name in COLUMNS):
                    raise InputError(f"{table}:{reader.line_num}: fewer than {len(COLUMNS)} fields")
                filepath, classes, part = (str(record[name]).strip() for name in COLUMNS)
                rows.append((reader.line_num, filepath, _labels(classes, f"{table}:{reader.line_num}"), part))
            return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not UTF-8 CSV ({error})") from error


def _labels(classes: str, place: str) -> list[str]:
    """Names of "[a, b]", or of "['a', 'b']", in which a name may hold commas."""
    inner = classes.removeprefix("[").removesuffix("]").strip()
    if inner and inner[0] in "'\"" and inner[-1] in "'\"":
        try:
            names = ast.literal_eval(f"[{inner}]")
        except (ValueError, SyntaxError) as error:
            raise InputError(f"{place}: classes {classes!r} are no list of quoted names; correct them") from error
        if not all(isinstance(name, str) for name in names):
            raise InputError(f"{place}: classes {classes!r} are no list of quoted names; correct them")
        return [name.strip() for name in names if name.strip()]
    names = [name.strip() for name in inner.split(",") if name.strip()]
    if any(name[0] in "'\"" for name in names):
        raise InputError(f"{place}: classes {classes!r}: quote all names or none")
    return names
