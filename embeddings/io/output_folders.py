"""Output folders, checked before the work that fills them."""

import os
from pathlib import Path

from embeddings.io.errors import InputError


def check_new(path: Path) -> None:
    """Checks that an output folder does not exist yet and can be made.

    Raises:
        InputError: it exists, or the folder above it is read-only or not a folder.
    """
    if path.exists():
        raise InputError(f"output folder {path} exists; choose another --out or remove it")
    parent = next(p for p in path.absolute().parents if p.exists())
    if path.is_symlink() or not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"output folder {path} cannot be made in {parent}; choose another --out")


def make_folder(path: Path, option: str = "--out") -> None:
    """Makes a folder and its parents.

    Args:
        path: the folder.
        option: of the command line, which names it.
    Raises:
        InputError: it cannot be made, or another command has made it since `check_new`.
    """
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(
            f"output folder {path} was made by another command meanwhile; choose another {option}"
        ) from error
    except OSError as error:
        raise not_made(path, error, option) from error


def not_made(path: Path, error: OSError, option: str = "--out") -> InputError:
    """The error for a folder that the system refused to make."""
    return InputError(f"output folder {path} cannot be made ({error.strerror}); choose another {option}")
