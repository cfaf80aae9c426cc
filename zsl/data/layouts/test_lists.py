"""A test set that is a file of image names, over the dataset's own division into training and test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.texts import read_lines

TestImages = Literal["all", "labelled"] | Path  # "all" and "labelled" are no files


@dataclass(frozen=True)
class Division:
    """The rows of the training and of the test images, and what a user should know of them."""

    train: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()

    def tested_on(self, path: Path, files: Sequence[str]) -> "Division":
        """The division whose test images are those that a file lists, in its order; they are not trained on.

        Each line names an image as the dataset's lists do, `folder/name.ext`. The extension may be left out, and so may
        the folder where a single image has the name.

        Args:
            path: the file.
            files: the paths of all images, by row.
        Raises:
            InputError: no such file; a name that no image or several images have; an image that is listed twice.
        """
        if not path.is_file():
            raise InputError(
                f'no file {path}; data.test is "all", "labelled", or a file of image names below data.root'
            )
        lines = [(number, PureWindowsPath(line).as_posix()) for number, line in read_lines(path, "image names")]
        rows = _rows(path, lines, files)
        trained, tested = (np.isin(part, rows) for part in (self.train, self.test))
        told = f"{len(rows):,} test images are those of {path.name}"
        if trained.any():
            told += f"; {trained.sum():,} of them are official training images, and are left out of training"
        if not tested.all():
            told += (
                f"; {(~tested).sum():,} of {len(tested):,} official test images are not among them, and are not used"
            )
        return Division(self.train[~trained], rows, (*self.notes, told))


def _rows(path: Path, lines: Sequence[tuple[int, str]], files: Sequence[str]) -> np.ndarray:
    """The row of the image that each line names."""
    placed: dict[str, int] = {}
    missing = {name for _, name in lines}
    for spelled in (_forward, _stem, _name, lambda file: _stem(_name(file))):
        if missing:
            keys = _unique([spelled(file) for file in files])
            placed |= {name: keys[name] for name in missing if name in keys}
            missing -= placed.keys()
    found: dict[int, int] = {}
    unknown = []
    for number, name in lines:
        row = placed.get(name)
        if row is None:
            unknown.append((number, name))
        elif row < 0:
            raise InputError(f"{path}:{number}: several images have the name {name}; write it with its folder")
        elif row in found:
            raise InputError(f"{path}:{number}: {name} is listed on line {found[row]} too; remove one")
        else:
            found[row] = number
    if unknown:
        number, name = unknown[0]
        more = f", and neither are {len(unknown) - 1:,} further names" if len(unknown) > 1 else ""
        told = f"{path}:{number}: {name} is not in the dataset's lists of images{more}"
        raise InputError(f"{told}; names are as there, such as {_stem(files[0])}: correct or remove the line")
    return np.array(list(found), np.intp)


def _unique(keys: Sequence[str]) -> dict[str, int]:
    """The row of each key; -1 for a key of several rows."""
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        rows[key] = -1 if key in rows else row
    return rows


def _forward(file: str) -> str:
    return file.replace("\\", "/")


def _stem(file: str) -> str:
    """A path without the extension of its file."""
    folder, slash, name = _forward(file).rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _name(file: str) -> str:
    """A path without its folders."""
    return _forward(file).rpartition("/")[2]
