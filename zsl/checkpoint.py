"""What a training that was stopped needs to go on: tensors and a little JSON in one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from embeddings import InputError, atomic

FILE = "checkpoint.safetensors"
BEFORE = "checkpoint-before.safetensors"


@dataclass(frozen=True)
class Checkpoints:
    """The last two checkpoints of a training, in a folder; `steps` between them, 0 for one an epoch."""

    folder: Path
    steps: int = 0

    def save(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Writes a checkpoint; one of the two is whole at any moment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._clean()
        content = safetensors_bytes(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            {"state": json.dumps(state)},
        )
        last = self.folder / FILE
        with atomic.replacing(last) as file:
            file.write(content)
            file.flush()
            if last.is_file():
                last.replace(self.folder / BEFORE)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint's tensors and state; None if there is none.

        Raises:
            InputError: it is damaged.
        """
        path = next((p for p in (self.folder / FILE, self.folder / BEFORE) if p.is_file()), None)
        if path is None:
            return None
        try:
            with safe_open(path, "pt") as file:
                state = json.loads(file.metadata()["state"])
                return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            before = (
                " to go on from the one before it" if path.name == FILE and (self.folder / BEFORE).is_file() else ""
            )
            raise InputError(f"checkpoint {path} is damaged ({error}); remove it{before}") from error

    def _clean(self) -> None:
        """Removes what a write left that was killed."""
        for path in self.folder.glob(f".{FILE}.*"):
            path.unlink()

    def place(self) -> str:
        """Where the last checkpoint is, for messages."""
        last = self.folder / FILE
        return f"the last checkpoint is {last}" if last.is_file() else "there is no checkpoint yet"

    def remove(self) -> None:
        """Of a training that has ended, there is nothing to go on with."""
        self._clean()
        for name in (FILE, BEFORE):
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
