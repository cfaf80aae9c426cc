"""Paths of images in label files: they must be inside the dataset's folder, unless its config allows others."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief

ODD = re.compile(r"\\|\.\.|\0|^/|^$|[^\x00-\x7f]")  # paths that need a closer check


def forward(file: str, folder: Path) -> str:
    """A path with `/` instead of Windows' backslashes, unless `folder` has a file with the backslashes in its name."""
    if "\\" not in file:
        return file
    try:
        as_it_stands = (folder / file).is_file()
    except OSError:  # the name is too long for a file
        as_it_stands = False
    return file if as_it_stands else file.replace("\\", "/")


def located(files: Sequence[str], folder: Path, outside: bool, place: Callable[[int], str]) -> list[str]:
    """The paths of image files, with `/` as the separator (see `forward`).

    Args:
        files: paths below the folder, or absolute ones, as a file of labels lists them.
        folder: the folder of the images.
        outside: whether paths may lead out of the folder (`data.outside`). Symbolic links inside it always may.
        place: `place(row)` says where the path `files[row]` is listed, for messages.
    Returns:
        one path per file, in the same order.
    Raises:
        InputError: a path that leads out of the folder, or that no file can have.
    """
    root = Path(os.path.normpath(folder.absolute()))
    roots = tuple(f"{path}/".replace("//", "/") for path in (root, folder.resolve()))

    def checked(row: int, file: str) -> str:
        if not ODD.search(file):
            return file
        if not file or "\0" in file or not _encodes(file):
            raise InputError(f"{place(row)}: {brief(file)} cannot be the path of an image; correct it")
        found = forward(file, folder)
        if not outside and not os.path.normpath(root / found).startswith(roots):
            told = f"{place(row)}: image {brief(file)} lies outside the folder {folder}"
            raise InputError(f"{told}; move it there, or set data.outside=true if you trust the paths of this file")
        return found

    return [checked(row, file) for row, file in enumerate(files)]


def _encodes(file: str) -> bool:
    try:
        os.fsencode(file)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON's escapes allow
        return False
    return True


def present(folder: Path, files: Sequence[str], smallest: int = 0) -> np.ndarray:
    """Whether each file exists and has more than `smallest` bytes; each folder is listed once."""
    sizes: dict[str, int] = {}
    for name in dict.fromkeys(file.rpartition("/")[0] for file in files):
        try:
            with os.scandir(folder / name) as entries:
                sizes |= {f"{name}/{entry.name}" if name else entry.name: _size(entry) for entry in entries}
        except OSError:  # the folder is missing or cannot be read
            continue
    return np.fromiter((sizes.get(file, 0) > smallest for file in files), bool, len(files))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size if entry.is_file() else 0
    except OSError:
        return 0


def check_apart(name: str, train: Sequence[str], test: Sequence[str]) -> None:
    """Checks that no image is listed twice, and that none is in both parts.

    Args:
        name: of the dataset, for messages.
        train, test: paths of the images of each part.
    Raises:
        InputError: an image is listed twice.
    """
    seen: set[str] = set()
    for part, files in (("training", train), ("test", test)):
        own = {os.path.normpath(file) for file in files}
        if len(own) < len(files):
            twice = next(f for f, count in Counter(map(os.path.normpath, files)).items() if count > 1)
            raise InputError(f"{name} lists image {twice} twice in {part}; remove one")
        both = seen & own
        if both:
            raise InputError(
                f"{len(both):,} images of {name} are in training and in test, such as {min(both)}; remove them from one"
            )
        seen = own
