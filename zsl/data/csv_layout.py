"""The CSV layout of ML-Decoder: `data.csv` (filepath, classes as "[a, b]", split_name) and a split JSON."""

import csv
import difflib
import hashlib
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings import InputError
from zsl.data.dataset import ImageFiles, MultiLabelData, Part
from zsl.data.exclusion import ImagesConfig
from zsl.data.split import read_split
from zsl.data.targets import Targets

COLUMNS = ("filepath", "classes", "split_name")


class CsvConfig(ImagesConfig):
    """`root` holds the images, and the two files unless they are given with paths of their own."""

    name: Literal["csv"]
    root: Path
    csv: Path = Path("data.csv")
    split: Path = Path("split.json")
    train: str = "train"
    test: str = "val"


def load_csv(config: CsvConfig) -> MultiLabelData:
    """Reads the layout; unseen labels in training rows are ignored, training rows without a seen label left out.

    Raises:
        InputError: a missing file or column, a row with an unknown label or a missing image, an empty part.
    """
    if config.train == config.test:
        raise InputError(f"data.train and data.test are both {config.train!r}: the test rows would be trained on")
    table, split = config.root / config.csv, config.root / config.split
    rows = _rows(table)
    seen, unseen = read_split(split, sorted({label for row in rows for label in _labels(row[2])}))
    column = {label: index for index, label in enumerate(seen + unseen)}
    paths: dict[str, list[Path]] = {config.train: [], config.test: []}
    targets: dict[str, list[np.ndarray]] = {config.train: [], config.test: []}
    leaked = 0
    for line, filepath, classes, part in rows:
        if part not in paths:
            raise InputError(f"{table}:{line}: split_name {part!r} is neither {config.train!r} nor {config.test!r}")
        row = np.zeros(len(column), np.uint8)
        for label in _labels(classes):
            if label not in column:
                near = difflib.get_close_matches(label, column, n=1)
                hint = f" (nearest: {near[0]!r})" if near else ""
                raise InputError(f"{table}:{line}: unknown label {label!r}{hint}; add it to {split.name} or correct it")
            row[column[label]] = 1
        if part == config.train:
            leaked += int(row[len(seen) :].sum())
        if part == config.train and not row[: len(seen)].any():
            continue
        path = config.root / filepath
        if not path.is_file():
            raise InputError(f"{table}:{line}: no image {path}; restore it or remove the row")
        paths[part].append(path)
        targets[part].append(row)
    for part in paths:
        if not paths[part]:
            raise InputError(f"{table}: no usable row with split_name {part!r}")

    def made(part: str, labels: int) -> Part:
        return Part(ImageFiles(tuple(paths[part]), config.image_size), Targets.of(np.stack(targets[part])[:, :labels]))

    digest = hashlib.sha256(table.read_bytes() + split.read_bytes()).hexdigest()
    return MultiLabelData(
        name=config.root.resolve().name,
        seen=seen,
        unseen=unseen,
        train=made(config.train, len(seen)),
        test=made(config.test, len(column)),
        kind="images",
        fingerprint=f"sha256 {digest}",
        leaked=leaked,
    )


def _rows(table: Path) -> list[tuple[int, str, str, str]]:
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
                rows.append((reader.line_num, filepath, classes, part))
            return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not UTF-8 CSV ({error})") from error


def _labels(classes: str) -> list[str]:
    inner = classes.removeprefix("[").removesuffix("]").strip()
    return [_unquoted(name.strip()) for name in inner.split(",") if name.strip()]


def _unquoted(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "'\""
    return name[1:-1] if quoted else name
