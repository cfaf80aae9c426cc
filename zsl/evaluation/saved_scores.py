"""The scores that `zsl evaluate` saves in a run, with the test set that they are measured against."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.io import atomic
from embeddings.io.arrays import read_arrays
from embeddings.io.errors import InputError
from embeddings.io.reading import parse_model
from zsl.data.targets import Targets
from zsl.data.tokens.files import hash_of
from zsl.evaluation.named_matrix import read_matrix
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.stamp import Form

TEST = "test.npz"
ARRAYS = ("data", "indices", "indptr")  # of a sparse (image, label) table
REMEDY = "evaluate the run again"
PLAIN = Form("grouped", "none")


@dataclass(frozen=True)
class About:
    """What `test.npz` holds besides the targets.

    `scores` are the hashes of the score files by protocol; `sha256` is the hash of the test set itself. `company` and
    `normalise` are the form of the scores; earlier versions knew only "grouped" and "none".
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
    company: str | None = "grouped"
    normalise: str | None = "none"


@dataclass(frozen=True)
class SavedScores:
    """What `load_scores` reads: scores (image, label) by protocol, their test set, and their form."""

    scores: dict[str, np.ndarray]
    test: TestSet
    form: Form


def save_scores(folder: Path, scores: Mapping[str, np.ndarray], test: TestSet, form: Form = PLAIN) -> None:
    """Writes the scores of each protocol and their test set, for `load_scores`.

    Args:
        folder: for the files; it may exist.
        scores: (image, label) by protocol.
        test: the test set that the scores are of.
        form: of the scores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name, values in scores.items():
        path = folder / f"{name}.npy"
        with atomic.replacing(path) as file:
            np.save(file, values, allow_pickle=False)
        hashes[name] = hash_of(path)
    matrix = test.targets.matrix
    named = test.seen, test.unseen, dict(test.renamed), test.images
    about = About(test.name, test.fingerprint, test.targets.partial, *named, hashes, "", *form)
    arrays = {name: getattr(matrix, name) for name in ARRAYS}
    about = replace(about, sha256=_hash_of_test(about, arrays))
    with atomic.replacing(folder / TEST) as file:
        np.savez(file, about=np.array(json.dumps(asdict(about))), **arrays)


def load_scores(folder: Path) -> SavedScores:
    """Reads what `save_scores` wrote; scores are memory-mapped.

    Args:
        folder: of the saved scores.
    Returns:
        the scores, their test set, and their form.
    Raises:
        InputError: a file is missing or damaged, or has other content than was saved.
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
    scores = {name: _saved(folder / f"{name}.npy", sha256, test) for name, sha256 in about.scores.items()}
    return SavedScores(scores, test, Form(about.company, about.normalise))


def _hash_of_test(about: About, arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 of a saved test set: of its targets and of `about`, without the hash itself."""
    told = asdict(replace(about, sha256=""))
    for key, plain in PLAIN._asdict().items():
        if told[key] == plain:
            del told[key]  # earlier versions did not have it
    found = hashlib.sha256(json.dumps(told).encode())
    for name in ARRAYS:
        found.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _saved(path: Path, sha256: str, test: TestSet) -> np.ndarray:
    """The scores of one protocol, checked against the hash that they were saved with."""
    if not path.is_file() or hash_of(path) != sha256:
        state = "has other content than was saved" if path.is_file() else "is missing"
        raise InputError(f"{path} {state}; {REMEDY}")
    values = read_matrix(path, "scores").values
    wanted = len(test.targets), len(protocols(test)[path.name.removesuffix(".npy")].labels)
    if values.shape != wanted:
        raise InputError(f"{path} has shape {values.shape} instead of {wanted}; {REMEDY}")
    return values
