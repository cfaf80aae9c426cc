"""Checkpoints: what a stopped training needs to continue, as tensors and a little JSON in one file with its hash."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import torch
from torch import Tensor

from embeddings.io import atomic
from embeddings.io.reading import parse_model
from zsl.tensor_file import dump_tensors, read_tensors

T = TypeVar("T")
FILE = "checkpoint.safetensors"
BEFORE = "checkpoint-before.safetensors"


@dataclass(frozen=True)
class Checkpoints:
    """The last two checkpoints of a training, in a folder. `steps` are between checkpoints; 0 writes one per epoch."""

    folder: Path
    steps: int = 0

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Writes a checkpoint; at any moment at least one of the two files is intact."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._clean()
        packed = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)
        last = self.folder / FILE
        with atomic.replacing(last) as file:
            dump_tensors(file, tensors | {"state": packed})
            file.flush()
            if last.is_file():
                last.replace(self.folder / BEFORE)

    def load(self, kind: type[T] | GenericAlias) -> tuple[dict[str, Tensor], T] | None:
        """The last checkpoint's tensors, and its state as a value of type `kind`; None if there is no checkpoint.

        Raises:
            InputError: the checkpoint is damaged.
        """
        path = next((p for p in (self.folder / FILE, self.folder / BEFORE) if p.is_file()), None)
        if path is None:
            return None
        before = " to continue from the one before it" if path.name == FILE and (self.folder / BEFORE).is_file() else ""
        remedy = f"remove it{before}"
        tensors, _ = read_tensors(path, remedy)
        packed = tensors.pop("state", torch.empty(0, dtype=torch.uint8))
        return tensors, parse_model(packed.numpy().tobytes(), kind, str(path), remedy)

    def _clean(self) -> None:
        """Removes files that a killed write left behind."""
        for path in self.folder.glob(f".{FILE}.*"):
            path.unlink()

    def of(self, name: str) -> "Checkpoints":
        """The checkpoints of one of several trainings, in a subfolder; `remove` removes them too."""
        return Checkpoints(self.folder / name, self.steps)

    def place(self) -> str:
        """Where the last checkpoint is, for messages."""
        last = self.folder / FILE
        return f"the last checkpoint is {last}" if last.is_file() else "there is no checkpoint yet"

    def remove(self) -> None:
        """Deletes the checkpoints of a finished training."""
        self._clean()
        for name in (FILE, BEFORE):
            (self.folder / name).unlink(missing_ok=True)
        parts = [path.relative_to(self.folder).parts for path in self.folder.glob("*/**/checkpoint*.safetensors")]
        for name in {names[0] for names in parts}:
            self.of(name).remove()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
