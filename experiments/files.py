"""Output folders and files, checked before the work that fills them."""

import os
from pathlib import Path

from embeddings.errors import InputError


def check_new(path: Path) -> None:
    """Checks that an output folder is not there yet and can be made.

    Raises:
        InputError: it exists, or its parent cannot hold it.
    """
    if path.exists():
        raise InputError(f"output folder {path} exists; choose another --out or remove it")
    parent = next(p for p in path.absolute().parents if p.exists())
    if path.is_symlink() or not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"output folder {path} cannot be made in {parent}; choose another --out")


def make_folder(path: Path) -> None:
    """Makes a folder and its parents.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"output folder {path} cannot be made ({error.strerror}); choose another --out") from error


def check_new_file(path: Path) -> None:
    """Checks that an output file is not there yet and can be made.

    Raises:
        InputError: it exists, or its folder does not.
    """
    folder = path.absolute().parent
    if path.exists() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        reason = "exists" if path.exists() else "lies in no folder that can be written"
        raise InputError(f"output file {path} {reason}; choose another --out")
