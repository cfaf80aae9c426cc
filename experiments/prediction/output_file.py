"""A file of predictions that grows as they come, and that an interrupted command can continue."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model

NOTED = 256  # pictures between two notes of how far the work has come


@dataclass(frozen=True)
class Done:
    """How far a file has come: `bytes` hold the first `pictures`; `asked` is the hash of the command's question."""

    asked: str
    pictures: int
    bytes: int
    unreadable: int


class OutputFile:
    """Predictions are written to `PATH.part`; `finish` gives it its name.

    Args:
        path: the file to make.
        asked: hash of all that the predictions depend on.
        resume: continue a file that was begun with the same question.
    Raises:
        InputError: the file exists; with `resume`, it was begun with another question.
    """

    def __init__(self, path: Path, asked: str, resume: bool):
        self.path, self.asked = path, asked
        self.part, self.note = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")
        if path.exists():
            raise InputError(f"{path} exists; remove it, or choose another --out")
        self.done = Done(asked, 0, 0, 0)
        if resume and self.note.is_file() and self.part.is_file():
            self.done = read_model(self.note, Done, "remove it and begin again without --resume")
            if self.done.asked != asked:
                raise InputError(
                    f"{self.part} was begun with other pictures, words or options; give the same, or remove it"
                )
        elif self.part.exists() and not resume:
            raise InputError(f"{self.part} is of a command that was stopped; continue it with --resume, or remove it")

    @contextmanager
    def opened(self) -> Iterator["OutputFile"]:
        """Opens the file after what is done; what was written behind it is cut off."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.part.open("r+b" if self.done.bytes else "wb") as file:
            file.truncate(self.done.bytes)
            file.seek(self.done.bytes)
            self.file: BinaryIO = file
            self.since = 0
            try:
                yield self
            finally:
                self._note()

    def write(self, text: str, pictures: int = 0, unreadable: int = 0) -> None:
        """Appends text, which holds the predictions of some pictures."""
        content = text.encode("utf-8", "backslashreplace")
        self.file.write(content)
        done = self.done
        self.done = Done(self.asked, done.pictures + pictures, done.bytes + len(content), done.unreadable + unreadable)
        self.since += pictures
        if self.since >= NOTED:
            self._note()

    def _note(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        atomic.write_text(self.note, json.dumps(asdict(self.done)) + "\n")
        self.since = 0

    def finish(self) -> None:
        """Gives the file its name."""
        self.part.replace(self.path)
        self.note.unlink()
