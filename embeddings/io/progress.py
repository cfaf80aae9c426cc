"""How long work tells what it has done, without knowing who listens."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called with the task's title, steps done, steps in all, and a short note ("loss 3.10")."""

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None: ...


def silent(task: str, done: int, total: int, note: str = "") -> None:
    """Nobody listens."""
