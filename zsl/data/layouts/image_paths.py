"""Paths of images as other people's files name them: below the dataset's folder, unless its config allows others."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from embeddings.io.errors import InputError
from embeddings.io.names import brief

ODD = re.compile(r"\\|\.\.|\0|^/|^$|[^\x00-\x7f]")  # all that needs a second look


def forward(file: str, folder: Path) -> str:
    """A path with `/` for Windows' backslashes, unless a file below `folder` is called as it stands."""
    if "\\" not in file:
        return file
    try:
        as_it_stands = (folder / file).is_file()
    except OSError:  # a name too long for any file
        as_it_stands = False
    return file if as_it_stands else file.replace("\\", "/")


def located(files: Sequence[str], folder: Path, outside: bool, place: Callable[[int], str]) -> list[str]:
    """Paths below a folder as it has them (see `forward`).

    Args:
        files: paths below the folder, or absolute ones, as a file of labels lists them.
        folder: of the images.
        outside: whether they may lead out of the folder (`data.outside`). Links inside it may in any case.
        place: where the file lists the path of a number, for messages.
    Raises:
        InputError: a path that leads out of the folder, or that no file can have.
    """
    root = Path(os.path.normpath(folder.absolute()))
    roots = tuple(f"{path}/".replace("//", "/") for path in (root, folder.resolve()))

    def checked(row: int, file: str) -> str:
        if not ODD.search(file):
            return file
        if not file or "\0" in file or not _encodes(file):
            raise InputError(f"{place(row)}: {brief(file)} is no path of an image; correct it")
        found = forward(file, folder)
        if not outside and not os.path.normpath(root / found).startswith(roots):
            told = f"{place(row)}: image {brief(file)} lies outside the folder {folder}"
            raise InputError(f"{told}; move it there, or set data.outside=true if you trust the paths of this file")
        return found

    return [checked(row, file) for row, file in enumerate(files)]


def _encodes(file: str) -> bool:
    try:
        os.fsencode(file)
    except UnicodeEncodeError:  # half a letter, as JSON's escapes can bring
        return False
    return True
