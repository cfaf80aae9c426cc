"""Scores and targets as files: what this toolkit saves, and what any other system may hand over to be measured."""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, vstack

from embeddings.io import atomic
from embeddings.io.arrays import read_array, read_arrays
from embeddings.io.errors import InputError, InputWarning
from embeddings.io.names import label_name
from embeddings.io.reading import parse_model, read_rows, reason_of
from embeddings.io.spelling import require, shown
from zsl.data.targets import Targets
from zsl.data.tokens.files import hash_of
from zsl.evaluation.protocol import TestSet, hash_of_names, hash_of_targets, protocols

SUFFIXES = (".npy", ".npz", ".csv")
TEST = "test.npz"
TITLES = {"zsl": "ZSL", "gzsl": "GZSL", "seen": "seen labels alone"}
ARRAYS = ("data", "indices", "indptr")  # of a sparse (image, label) table
LARGEST = 1 << 22  # images or labels of a table
REMEDY = "evaluate the run again"


@dataclass(frozen=True)
class Table:
    """A matrix (image, label) from a file, with the names that the file has."""

    path: Path
    values: np.ndarray
    labels: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None


@dataclass(frozen=True)
class About:
    """What `test.npz` has of a test set besides its targets.

    `scores` are the hashes of the files beside it, `sha256` is that of the test set itself.
    """

    name: str
    fingerprint: str
    partial: bool
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    renamed: dict[str, tuple[str, ...]]
    images: tuple[str, ...] | None
    scores: dict[str, str]
    sha256: str


def read_table(path: Path, key: str) -> Table:
    """A matrix from a file.

    `.npy`: the matrix. `.npz`: the matrix as `key` (or as the only array), names as `labels` and `images` where it has
    them. `.csv`: a header `image,LABEL,LABEL,...`, then a line an image.

    Args:
        path: of the file.
        key: "scores" or "targets".
    Raises:
        InputError: no such file, another content, an entry that is no number, a name that stands twice.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is none of {', '.join(SUFFIXES)}")
    table = _read_csv(path, key) if path.suffix == ".csv" else _read_arrays(path, key)
    if table.values.ndim != 2 or not table.values.size:
        raise InputError(f"{path}: {key} must be (image, label), got shape {table.values.shape}")
    if not np.issubdtype(table.values.dtype, np.number) and table.values.dtype != np.bool_:
        raise InputError(f"{path}: {key} are of type {table.values.dtype}, which is no number")
    if table.labels is not None:
        table = replace(table, labels=tuple(label_name(name, str(path)) for name in table.labels))
    for title, names, count in (("label", table.labels, 1), ("image", table.images, 0)):
        if names is None:
            continue
        if len(names) != table.values.shape[count]:
            raise InputError(f"{path} names {len(names)} {title}s, but its {key} are {table.values.shape}")
        name, often = Counter(names).most_common(1)[0]
        if often > 1:
            raise InputError(f"{path}: {title} {name!r} stands {often} times; every {title} must stand once")
    return table


def _read_arrays(path: Path, key: str) -> Table:
    if path.suffix == ".npy":
        return Table(path, _of_size(path, read_array(path, key, "c")))  # "c": torch warns of memory that is read-only
    arrays = read_arrays(path, key)
    if key not in arrays and len(arrays) != 1:
        raise InputError(f"{path} holds {', '.join(arrays) or 'nothing'}, but no {key!r}")
    values = _of_size(path, arrays.pop(key) if key in arrays else arrays.popitem()[1])
    names = {name: _of_size(path, arrays[name]) for name in ("labels", "images") if name in arrays}
    for name, array in names.items():
        if array.ndim != 1:
            raise InputError(f"{path}: {name} have shape {array.shape}; they must be one list of names")
    return Table(path, values, **{name: tuple(array.astype(str).tolist()) for name, array in names.items()})


def _of_size(path: Path, array: np.ndarray) -> np.ndarray:
    """The array, unless it is larger than any test set: a small file may hold as many zeros."""
    if max(array.shape, default=0) > LARGEST:
        raise InputError(f"{path} has shape {array.shape}; no axis may be longer than {LARGEST:,}")
    return array


def _read_csv(path: Path, key: str) -> Table:
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
    return Table(path, single if (single == values).all() else values, tuple(header[1:]), tuple(images))


def named(table: Table, labels: Sequence[str] | None) -> Table:
    """The table with label names from elsewhere, where it has none.

    Raises:
        InputError: not as many names as columns.
    """
    if table.labels is not None or labels is None:
        return table
    if len(labels) != table.values.shape[1]:
        raise InputError(f"{table.path} has {table.values.shape[1]} labels, but {len(labels)} names are given")
    return Table(table.path, table.values, tuple(labels), table.images)


def as_test_set(table: Table, unseen: Sequence[str] = ()) -> TestSet:
    """A test set of a table of targets: 1, 0, and -1 where annotations are partial (then 0 means that nobody looked).

    Args:
        table: of targets, (image, label).
        unseen: names of the labels that training had no annotations of; none for a closed set.
    Raises:
        InputError: entries of another kind, no positive at all, names that are not there.
    """
    values = table.values
    for start, block in _blocks(values):
        wrong = (block != 0) & (block != 1) & (block != -1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            label = f"label {column}" if table.labels is None else repr(table.labels[column])
            raise InputError(
                f"{table.path}: targets must be 0 or 1 (or -1, for partial annotations), but image {start + row}, "
                f"{label} has {block[row, column]}"
            )
    if not any((block == 1).any() for _, block in _blocks(values)):
        raise InputError(f"{table.path} holds no positive, so there is nothing to measure")
    labels = table.labels or tuple(f"label {column}" for column in range(values.shape[1]))
    require(unseen, labels, str(table.path), thing="column of targets")
    last = set(unseen)
    order = [*(n for n in labels if n not in last), *unseen] if unseen else list(labels)
    places = {name: column for column, name in enumerate(labels)}
    seen = tuple(n for n in order if n not in last)
    columns = [places[n] for n in order]
    matrix = vstack([csr_array(block[:, columns].astype(np.int8)) for _, block in _blocks(values)], format="csr")
    targets = Targets(matrix, bool((matrix.data == -1).any()))
    content = f"sha256 {hash_of_names([*order, hash_of_targets(targets)])}"
    return TestSet(table.path.name, seen, tuple(unseen), targets, content, images=table.images)


def _blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Rows, and the place of the first: what is computed of all entries at once takes several times their memory."""
    rows = max(1, (1 << 22) // values.shape[1])
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]


def match(table: Table, test: TestSet) -> dict[str, np.ndarray]:
    """The scores of each protocol whose labels a table has, in the order of the test set.

    Labels are matched by name where the table names them, else by place; so are images. An `InputWarning` tells of
    protocols that cannot be measured for labels that the table lacks, and of columns and rows of no use.

    Raises:
        InputError: labels or images that do not fit, scores that are not finite.
    """
    every = test.seen + test.unseen
    labels = table.labels
    if labels is None:
        if table.values.shape[1] not in (len(every), len(test.unseen)):
            raise InputError(
                f"{table.path} has {table.values.shape[1]} columns without names, but {test.name} has {len(every)} "
                f"labels, {len(test.unseen)} of them unseen; give the names by --labels"
            )
        labels = every if table.values.shape[1] == len(every) else test.unseen
    rows = _matched_images(table, test)
    places = {name: column for column, name in enumerate(labels)}
    found = {n: p for n, p in protocols(test).items() if places.keys() >= set(p.labels)}
    if not found:
        require(test.unseen or every, labels, str(table.path), thing="column of scores")
    _tell(table, test, labels, found)
    values = table.values
    finite = np.concatenate([np.isfinite(block).all(axis=1) for _, block in _blocks(values)])
    if not finite.all():
        row = int(np.argmin(finite))
        column = int(np.argmin(np.isfinite(values[row])))
        image = repr(table.images[row]) if table.images else str(row)
        raise InputError(
            f"{table.path}: image {image}, label {labels[column]!r} has score {values[row, column]}; "
            "every score must be finite"
        )
    chosen = {}
    for name, protocol in found.items():
        columns = np.array([places[label] for label in protocol.labels])
        in_place = rows is None and np.array_equal(columns, np.arange(values.shape[1]))
        part = values if in_place else values[:, columns] if rows is None else values[np.ix_(rows, columns)]
        chosen[name] = np.asarray(part)
    return chosen


def _tell(table: Table, test: TestSet, labels: Sequence[str], found: Collection[str]) -> None:
    """Warns of what of the test set has no scores, and which scores are of no use."""
    every, known = {*test.seen, *test.unseen}, {name for p in protocols(test).values() for name in p.labels}
    missing, other = [n for n in test.seen + test.unseen if n not in set(labels)], [n for n in labels if n not in known]
    told = []
    if missing:
        lost = ", ".join(title for name, title in TITLES.items() if name not in found)
        told.append(f"{table.path} has no scores of {shown(missing, set(labels) - every)}; not measured: {lost}")
    if other:
        told.append(f"{table.path} has scores of what is no label of {test.name}, left out: {shown(other)}")
    images = set(table.images or ())
    rest = len(table.values) - len(test.targets)
    if rest and images:
        told.append(f"{table.path} has scores of {rest} images that are not in {test.name}, left out")
    for line in told:
        warnings.warn(line, InputWarning, stacklevel=3)


def _matched_images(table: Table, test: TestSet) -> np.ndarray | None:
    """The rows of a table in the order of the test set's images; None if they are in it."""
    images = len(test.targets)
    if table.images is not None and test.images is not None:
        own, wanted = list(table.images), list(test.images)
        if not set(own) >= set(wanted):
            # the same files below another folder
            names = [[name.replace("\\", "/").rpartition("/")[2] for name in side] for side in (own, wanted)]
            if all(len(set(side)) == len(side) for side in names) and set(names[0]) >= set(names[1]):
                own, wanted = names
        places = {name: row for row, name in enumerate(own)}
        missing = [name for name in wanted if name not in places]
        if missing:
            raise InputError(f"{table.path} has no scores of {len(missing)} images, such as {missing[0]!r}")
        rows = np.array([places[name] for name in wanted])
        return None if np.array_equal(rows, np.arange(len(table.values))) else rows
    if len(table.values) != images:
        raise InputError(f"{table.path} has scores of {len(table.values)} images, but {test.name} has {images}")
    return None


def save_scores(folder: Path, scores: Mapping[str, np.ndarray], test: TestSet) -> None:
    """Writes the scores of each protocol, and what they are measured against, for `load_scores`."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name, values in scores.items():
        path = folder / f"{name}.npy"
        with atomic.replacing(path) as file:
            np.save(file, values, allow_pickle=False)
        hashes[name] = hash_of(path)
    matrix = test.targets.matrix
    partial, renamed = test.targets.partial, dict(test.renamed)
    about = About(test.name, test.fingerprint, partial, test.seen, test.unseen, renamed, test.images, hashes, "")
    arrays = {name: getattr(matrix, name) for name in ARRAYS}
    about = replace(about, sha256=_hash_of_test(about, arrays))
    with atomic.replacing(folder / TEST) as file:
        np.savez(file, about=np.array(json.dumps(asdict(about))), **arrays)


def load_scores(folder: Path) -> tuple[dict[str, np.ndarray], TestSet]:
    """What `save_scores` wrote; scores are mapped into memory.

    Raises:
        InputError: files that are missing, damaged or of something else.
    """
    path = folder / TEST
    if not path.is_file():
        raise InputError(f"{folder} holds no saved scores: it has no {TEST}; zsl evaluate RUN saves them")
    arrays = read_arrays(path, "the test set of saved scores")
    lacking = {"about", *ARRAYS} - arrays.keys()
    if lacking:
        raise InputError(f"{path} is damaged (it has no {min(lacking)}); {REMEDY}")
    about = parse_model(str(arrays["about"]), About, str(path), REMEDY)
    shape = arrays["indptr"].size - 1, len(about.seen + about.unseen)
    values, indices, indptr = (arrays[name] for name in ARRAYS)
    try:
        targets = Targets.of_arrays(values, indices, indptr, shape, about.partial)
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); {REMEDY}") from error
    if about.images is not None and len(about.images) != len(targets):
        raise InputError(f"{path} names {len(about.images)} images, but has targets of {len(targets)}; {REMEDY}")
    if _hash_of_test(about, arrays) != about.sha256:
        raise InputError(f"{path} has other content than was saved; {REMEDY}")
    test = TestSet(about.name, about.seen, about.unseen, targets, about.fingerprint, about.renamed, about.images)
    known = protocols(test)
    if not about.scores or not about.scores.keys() <= known.keys():
        raise InputError(f"{path} tells of scores of {', '.join(about.scores) or 'nothing'}; {REMEDY}")
    return {name: _saved(folder / f"{name}.npy", sha256, test) for name, sha256 in about.scores.items()}, test


def _hash_of_test(about: About, arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 of a saved test set: its targets, and what is told of it but for the hash itself."""
    found = hashlib.sha256(json.dumps(asdict(replace(about, sha256=""))).encode())
    for name in ARRAYS:
        found.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _saved(path: Path, sha256: str, test: TestSet) -> np.ndarray:
    """The scores of one protocol, if they are those that were saved."""
    if not path.is_file() or hash_of(path) != sha256:
        state = "has other content than was saved" if path.is_file() else "is missing"
        raise InputError(f"{path} {state}; {REMEDY}")
    values = read_table(path, "scores").values
    wanted = len(test.targets), len(protocols(test)[path.name.removesuffix(".npy")].labels)
    if values.shape != wanted:
        raise InputError(f"{path} has shape {values.shape} instead of {wanted}; {REMEDY}")
    return values
