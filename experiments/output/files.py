"""Output folders and files, checked before the work that fills them."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator

from embeddings.io.errors import InputError
from embeddings.io.output_folders import not_made


def _inner(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ValueError(f"{text!r} lies outside the folder that names it")
    return text


InnerPath = Annotated[str, AfterValidator(_inner)]  # a path in a file of ours, relative to the file's folder


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder to write into; one rename at the end of the `with` block makes it `path`.

    An exception leaves nothing behind. Folders of runs are made in another way: they are kept, so that runs can resume.

    Raises:
        InputError: `path` exists, or cannot be made.
    """
    target = path.resolve()
    with _written_beside(path, next(p for p in target.parents if p.exists())) as made:
        yield made
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.rename(target)
        except OSError as error:
            raise not_made(path, error) from error


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """Like `new_folder`; if `path` is a folder already, the files are moved into it at the end.

    Raises:
        InputError: `path` cannot be made or written to.
    """
    if not path.is_dir():
        with new_folder(path) as made:
            yield made
        return
    with _written_beside(path, path.resolve()) as made:
        yield made
        # in the order of writing: the last file may say that the others are complete
        for file in sorted(made.rglob("*"), key=lambda file: file.stat().st_mtime_ns):
            if file.is_file():
                place = path / file.relative_to(made)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)


@contextmanager
def _written_beside(path: Path, parent: Path) -> Iterator[Path]:
    """A temporary folder below `parent`, named like `path`; errors name `path` instead of it."""
    holder = parent / f".making-{uuid.uuid4().hex}"
    made = holder / path.resolve().name
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise not_made(path, error) from error
    try:
        yield made
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(error.filename).replace(str(made), str(path))) from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def check_new_file(path: Path) -> None:
    """Checks that an output file is missing and can be made.

    Raises:
        InputError: it exists, or its folder does not.
    """
    folder = path.absolute().parent
    if path.exists() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        reason = "exists" if path.exists() else "cannot be made: its folder is missing or read-only"
        raise InputError(f"output file {path} {reason}; choose another file")
