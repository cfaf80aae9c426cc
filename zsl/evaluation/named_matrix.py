"""Scores and targets from files of any system: a matrix (image, label), with names where the file has them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.io.arrays import read_array, read_arrays
from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.io.reading import read_rows, reason_of

SUFFIXES = (".npy", ".npz", ".csv")
LARGEST = 1 << 22  # images or labels of a table


@dataclass(frozen=True)
class NamedMatrix:
    """A matrix (image, label) from a file, with the names that the file has."""

    path: Path
    values: np.ndarray
    labels: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks of rows, each with the place of its first row.

        Computing on all entries at once would take several times their memory.
        """
        rows = max(1, (1 << 22) // self.values.shape[1])
        for start in range(0, len(self.values), rows):
            yield start, self.values[start : start + rows]


def read_matrix(path: Path, key: str) -> NamedMatrix:
    """A matrix from a file.

    `.npy` holds the matrix; `.npz` the matrix as `key` or as its only array, and names as `labels` and `images`, if it
    has any; `.csv` a header `image,LABEL,LABEL,...`, then one line per image.

    Args:
        path: of the file.
        key: "scores" or "targets".
    Returns:
        the matrix (image, label), with the names that the file has.
    Raises:
        InputError: there is no such file; it holds something else; an entry is not a number; a name appears twice.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is none of {', '.join(SUFFIXES)}")
    matrix = _read_csv(path, key) if path.suffix == ".csv" else _read_arrays(path, key)
    if matrix.values.ndim != 2 or not matrix.values.size:
        raise InputError(f"{path}: {key} must be (image, label), got shape {matrix.values.shape}")
    if not np.issubdtype(matrix.values.dtype, np.number) and matrix.values.dtype != np.bool_:
        raise InputError(f"{path}: {key} are of type {matrix.values.dtype}, which is no number")
    if matrix.labels is not None:
        matrix = replace(matrix, labels=tuple(label_name(name, str(path)) for name in matrix.labels))
    for title, names, count in (("label", matrix.labels, 1), ("image", matrix.images, 0)):
        if names is None:
            continue
        if len(names) != matrix.values.shape[count]:
            raise InputError(f"{path} names {len(names)} {title}s, but its {key} are {matrix.values.shape}")
        name, often = Counter(names).most_common(1)[0]
        if often > 1:
            raise InputError(f"{path}: {title} {name!r} appears {often} times; every {title} must appear once")
    return matrix


def _read_arrays(path: Path, key: str) -> NamedMatrix:
    if path.suffix == ".npy":
        # "c", copied on write: torch warns about read-only memory
        return NamedMatrix(path, _of_size(path, read_array(path, key, "c")))
    arrays = read_arrays(path, key)
    if key not in arrays and len(arrays) != 1:
        raise InputError(f"{path} holds {', '.join(arrays) or 'nothing'}, but no {key!r}")
    values = _of_size(path, arrays.pop(key) if key in arrays else arrays.popitem()[1])
    names = {name: _of_size(path, arrays[name]) for name in ("labels", "images") if name in arrays}
    for name, array in names.items():
        if array.ndim != 1:
            raise InputError(f"{path}: {name} have shape {array.shape}; they must be one list of names")
    return NamedMatrix(path, values, **{name: tuple(array.astype(str).tolist()) for name, array in names.items()})


def _of_size(path: Path, array: np.ndarray) -> np.ndarray:
    """The array, after checking its shape; a small compressed file may unpack to an enormous array of zeros."""
    if max(array.shape, default=0) > LARGEST:
        raise InputError(f"{path} has shape {array.shape}; no axis may be longer than {LARGEST:,}")
    return array


def _read_csv(path: Path, key: str) -> NamedMatrix:
    images: list[str] = []
    rows: list[np.ndarray] = []
    lines = read_rows(path, key)
    _, header = next(lines, (1, []))
    if len(header) < 2:
        raise InputError(f"{path}:1: the header must be image,LABEL,LABEL,...")
    for number, line in lines:
        if len(line) != len(header):
            raise InputError(f"{path}:{number}: {len(line)} fields, but the header has {len(header)}")
        try:
            rows.append(np.array(line[1:], np.float64))
        except ValueError as error:
            told = f"{path}:{number}: {reason_of(error)}; every field after the image is a number"
            raise InputError(told) from error
        images.append(line[0])
    if not rows:
        raise InputError(f"{path} has no line after its header")
    values = np.stack(rows)
    single = values.astype(np.float32)
    return NamedMatrix(path, single if (single == values).all() else values, tuple(header[1:]), tuple(images))


def named(matrix: NamedMatrix, labels: Sequence[str] | None) -> NamedMatrix:
    """The matrix with names for its columns, unless its file has names.

    Args:
        matrix: from a file.
        labels: one name per column; None for no names.
    Raises:
        InputError: the number of names is not the number of columns.
    """
    if matrix.labels is not None or labels is None:
        return matrix
    if len(labels) != matrix.values.shape[1]:
        raise InputError(f"{matrix.path} has {matrix.values.shape[1]} labels, but {len(labels)} names are given")
    return NamedMatrix(matrix.path, matrix.values, tuple(labels), matrix.images)
