"""A test set from a file of targets, and scores from a file in the order of a test set."""

import warnings
from collections.abc import Collection, Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

from embeddings.io.errors import InputError, InputWarning
from embeddings.io.spelling import require, shown
from zsl.data.targets import Targets
from zsl.evaluation.named_matrix import NamedMatrix
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.stamp import hash_of_names, hash_of_targets

TITLES = {"zsl": "ZSL", "gzsl": "GZSL", "seen": "seen labels alone"}


def as_test_set(matrix: NamedMatrix, unseen: Sequence[str] = ()) -> TestSet:
    """A test set from a matrix of targets.

    Args:
        matrix: (image, label): 1 for present and 0 for absent; or, if a -1 is among the entries, 1 for present, -1 for
            absent, and 0 for entries that nobody annotated.
        unseen: names of the labels that training had no annotations of; none for a closed set.
    Returns:
        the test set, with seen labels first.
    Raises:
        InputError: another entry; no positive at all; an unseen label that has no column.
    """
    values = matrix.values
    for start, block in matrix.blocks():
        wrong = (block != 0) & (block != 1) & (block != -1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            label = f"label {column}" if matrix.labels is None else repr(matrix.labels[column])
            raise InputError(
                f"{matrix.path}: targets must be 0 or 1 (or -1, for partial annotations), but image {start + row}, "
                f"{label} has {block[row, column]}"
            )
    if not any((block == 1).any() for _, block in matrix.blocks()):
        raise InputError(f"{matrix.path} holds no positive, so there is nothing to measure")
    labels = matrix.labels or tuple(f"label {column}" for column in range(values.shape[1]))
    require(unseen, labels, str(matrix.path), thing="column of targets")
    last = set(unseen)
    order = [*(n for n in labels if n not in last), *unseen] if unseen else list(labels)
    places = {name: column for column, name in enumerate(labels)}
    seen = tuple(n for n in order if n not in last)
    columns = [places[n] for n in order]
    stacked = vstack([csr_array(block[:, columns].astype(np.int8)) for _, block in matrix.blocks()], format="csr")
    targets = Targets(stacked, bool((stacked.data == -1).any()))
    content = f"sha256 {hash_of_names([*order, hash_of_targets(targets)])}"
    return TestSet(matrix.path.name, seen, tuple(unseen), targets, content, images=matrix.images)


def match(matrix: NamedMatrix, test: TestSet) -> dict[str, np.ndarray]:
    """The scores of each protocol whose labels a matrix has, in the order of the test set.

    Labels and images are matched by name if the matrix names them, else by position. An `InputWarning` names the
    protocols that cannot be measured because labels lack scores, and the columns and rows that are not used.

    Args:
        matrix: of scores, (image, label).
        test: the test set.
    Returns:
        (image, label) by protocol.
    Raises:
        InputError: labels or images that do not fit the test set; a score that is not finite.
    """
    every = test.seen + test.unseen
    labels = matrix.labels
    if labels is None:
        if matrix.values.shape[1] not in (len(every), len(test.unseen)):
            raise InputError(
                f"{matrix.path} has {matrix.values.shape[1]} columns without names, but {test.name} has {len(every)} "
                f"labels, {len(test.unseen)} of them unseen; give the names by --labels"
            )
        labels = every if matrix.values.shape[1] == len(every) else test.unseen
    rows = _matched_images(matrix, test)
    places = {name: column for column, name in enumerate(labels)}
    found = {n: p for n, p in protocols(test).items() if places.keys() >= set(p.labels)}
    if not found:
        require(test.unseen or every, labels, str(matrix.path), thing="column of scores")
    _tell(matrix, test, labels, found)
    values = matrix.values
    finite = np.concatenate([np.isfinite(block).all(axis=1) for _, block in matrix.blocks()])
    if not finite.all():
        row = int(np.argmin(finite))
        column = int(np.argmin(np.isfinite(values[row])))
        image = repr(matrix.images[row]) if matrix.images else str(row)
        raise InputError(
            f"{matrix.path}: image {image}, label {labels[column]!r} has score {values[row, column]}; "
            "every score must be finite"
        )
    chosen = {}
    for name, protocol in found.items():
        columns = np.array([places[label] for label in protocol.labels])
        in_place = rows is None and np.array_equal(columns, np.arange(values.shape[1]))
        part = values if in_place else values[:, columns] if rows is None else values[np.ix_(rows, columns)]
        chosen[name] = np.asarray(part)
    return chosen


def _tell(matrix: NamedMatrix, test: TestSet, labels: Sequence[str], found: Collection[str]) -> None:
    """Warns about labels of the test set without scores, and about scores that are not used."""
    every, known = {*test.seen, *test.unseen}, {name for p in protocols(test).values() for name in p.labels}
    missing, other = [n for n in test.seen + test.unseen if n not in set(labels)], [n for n in labels if n not in known]
    told = []
    if missing:
        lost = ", ".join(title for name, title in TITLES.items() if name not in found)
        told.append(f"{matrix.path} has no scores of {shown(missing, set(labels) - every)}; not measured: {lost}")
    if other:
        told.append(f"{matrix.path} has scores of columns that are no label of {test.name}, left out: {shown(other)}")
    images = set(matrix.images or ())
    rest = len(matrix.values) - len(test.targets)
    if rest and images:
        told.append(f"{matrix.path} has scores of {rest} images that are not in {test.name}, left out")
    for line in told:
        warnings.warn(line, InputWarning, stacklevel=3)


def _matched_images(matrix: NamedMatrix, test: TestSet) -> np.ndarray | None:
    """The matrix's rows in the order of the test set's images; None if they are in that order already."""
    images = len(test.targets)
    if matrix.images is not None and test.images is not None:
        own, wanted = list(matrix.images), list(test.images)
        if not set(own) >= set(wanted):
            # the same files in another folder
            names = [[name.replace("\\", "/").rpartition("/")[2] for name in side] for side in (own, wanted)]
            if all(len(set(side)) == len(side) for side in names) and set(names[0]) >= set(names[1]):
                own, wanted = names
        places = {name: row for row, name in enumerate(own)}
        missing = [name for name in wanted if name not in places]
        if missing:
            raise InputError(f"{matrix.path} has no scores of {len(missing)} images, such as {missing[0]!r}")
        rows = np.array([places[name] for name in wanted])
        return None if np.array_equal(rows, np.arange(len(matrix.values))) else rows
    if len(matrix.values) != images:
        raise InputError(f"{matrix.path} has scores of {len(matrix.values)} images, but {test.name} has {images}")
    return None
