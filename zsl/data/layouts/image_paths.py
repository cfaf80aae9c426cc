"""Paths of images in label files: they must be inside the dataset's folder, unless its config allows others."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

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
