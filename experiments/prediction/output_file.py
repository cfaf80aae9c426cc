"""A file of predictions that grows as they come, and that an interrupted command can continue."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from pydantic import NonNegativeInt

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model

NOTED = 256  # pictures between two notes of how far the work has come
AGAIN = "remove it and begin again without --resume"


@dataclass(frozen=True)
class Done:
    """How far a file has come: `bytes` hold the first `pictures`; `asked` is the hash of the command's question."""

    asked: str
    pictures: NonNegativeInt
    bytes: NonNegativeInt
    unreadable: NonNegativeInt


class OutputFile:
    """Predictions are written to `PATH.part`, which gets its name at the end. Only one command at a time writes it.

    Args:
        path: the file to make.
        resume: continue a file that was begun with the same question.
    Raises:
        InputError: the file exists, or cannot be made; without `resume`, it was begun before.
    """

    def __init__(self, path: Path, resume: bool):
        self.path, self.resume = path, resume
        if path.exists():
            raise InputError(f"{path} exists; remove it, or choose another --out")
        self.part, self.note, self.lock = (
            path.with_name(path.name + end) for end in (".part", ".part.json", ".part.lock")
        )
        self.done = Done("", 0, 0, 0)
        parent = next(place for place in path.absolute().parents if place.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be made in {parent}; choose another --out")
        self._check_begun()

    def _check_begun(self) -> None:
        if self.part.exists() and not self.resume:
            raise InputError(f"{self.part} is of a command that was stopped; continue it with --resume, or remove it")

    @contextmanager
    def opened(self, asked: str) -> Iterator["OutputFile"]:
        """Opens the file after what is done; what was written behind it is cut off. At the end it gets its name.

        Args:
            asked: hash of all that the predictions depend on.
        Raises:
            InputError: another command writes the file, or has written it; it was begun with another question.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self.done = self._begun(asked)
            with self.part.open("r+b" if self.done.bytes else "wb") as file:
                file.truncate(self.done.bytes)
                file.seek(self.done.bytes)
                self.file: BinaryIO = file
                self.since = 0
                try:
                    yield self
                finally:
                    self._note()
            self.part.replace(self.path)
            self.note.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.lock, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"another command is writing {self.path}; wait until it has ended, or choose another --out"
            ) from error
        try:
            yield
        finally:
            self.lock.unlink(missing_ok=True)
            lock.release()

    def _begun(self, asked: str) -> Done:
        """How far an earlier command has come."""
        if self.path.exists():
            raise InputError(f"{self.path} was made by another command meanwhile; choose another --out")
        self._check_begun()
        if not (self.note.is_file() and self.part.is_file()):
            return Done(asked, 0, 0, 0)
        done = read_model(self.note, Done, AGAIN)
        if done.asked != asked:
            raise InputError(
                f"{self.part} was begun with other pictures, words or options; give the same, or remove it"
            )
        if self.part.stat().st_size < done.bytes:
            raise InputError(f"{self.part} is damaged (it is shorter than {self.note} says); {AGAIN}")
        return done

    def write(self, text: str, pictures: int = 0, unreadable: int = 0) -> None:
        """Appends text, which holds the predictions of some pictures."""
        content = text.encode("utf-8", "backslashreplace")
        self.file.write(content)
        done = self.done
        self.done = Done(done.asked, done.pictures + pictures, done.bytes + len(content), done.unreadable + unreadable)
        self.since += pictures
        if self.since >= NOTED:
            self._note()

    def _note(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        atomic.write_text(self.note, json.dumps(asdict(self.done)) + "\n")
        self.since = 0
