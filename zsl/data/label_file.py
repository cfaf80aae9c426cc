"""Your own images: a folder, and one file of their labels."""

import csv
import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from embeddings import InputError
from embeddings.texts import read_lines
from zsl.data.assembly import Annotated, ImagesConfig, assemble
from zsl.data.dataset import MultiLabelData
from zsl.data.split import without
from zsl.data.targets import Targets


class FolderConfig(ImagesConfig):
    """`root` holds the images, and the files below unless they are given with paths of their own.

    `labels`: CSV without a header, a line an image: its path, then its labels, each in a field of its own. `unseen`:
    names of unseen labels, one a line; without it the set is closed. `test`: paths of test images, one a line; without
    it every image that shows an unseen label is tested on, and of the others a share, `test_share`, chosen by their
    paths.
    """

    name: Literal["folder"]
    root: Path
    labels: Path = Path("labels.csv")
    unseen: Path | None = None
    test: Path | None = None
    test_share: float = Field(0.2, gt=0, lt=1)


def load_folder(config: FolderConfig) -> MultiLabelData:
    """Labels are in alphabetical order, unseen ones in their file's.

    Raises:
        InputError: a missing or damaged file, an image twice, images that are missing, an empty part.
    """
    table = config.root / config.labels
    rows = read_label_file(table)
    unseen_file = None if config.unseen is None else config.root / config.unseen
    seen, unseen = without(sorted({label for labels in rows.values() for label in labels}), unseen_file)
    if config.test is None:
        tested = {p for p, labels in rows.items() if set(labels) & set(unseen) or _share_of(p) < config.test_share}
    else:
        tested = {Path(line).as_posix() for _, line in read_lines(config.root / config.test, "image paths")}
        strange = next((path for path in tested if path not in rows), None)
        if strange is not None:
            raise InputError(f"{config.root / config.test}: {strange} is not in {table.name}")
    column = {label: number for number, label in enumerate(seen + unseen)}

    def annotated(chosen: list[str]) -> Annotated:
        entries = [(row, column[label]) for row, path in enumerate(chosen) for label in rows[path]]
        places, columns = np.array(entries, np.int64).reshape(-1, 2).T
        return Annotated(chosen, Targets.of_entries(places, columns, (len(chosen), len(column))))

    parts = annotated([p for p in rows if p not in tested]), annotated([p for p in rows if p in tested])
    return assemble(config, config.root.resolve().name, config.root, (seen, unseen), parts)


def read_label_file(table: Path) -> dict[str, list[str]]:
    """Labels by image path.

    Raises:
        InputError: no such file, not UTF-8 CSV, an image twice.
    """
    if not table.is_file():
        raise InputError(f"no file of labels {table}")
    rows: dict[str, list[str]] = {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            for fields in reader:
                stripped = [field.strip() for field in fields]
                if not any(stripped):
                    continue
                path = Path(stripped[0]).as_posix()
                if not stripped[0] or path in rows:
                    reason = "no image path" if not stripped[0] else f"image {path} stands above too"
                    raise InputError(f"{table}:{reader.line_num}: {reason}; write path,label,label,... once an image")
                rows[path] = [field for field in stripped[1:] if field]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not UTF-8 CSV ({error})") from error
    if not rows:
        raise InputError(f"{table} names no image")
    return rows


def _share_of(path: str) -> float:
    """A number in [0, 1) that depends on the path alone, so that new images move no old ones."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:6]) / 2**48
