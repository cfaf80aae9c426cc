"""How long work reports its progress, whatever shows it: a bar, lines of text, or nothing."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """A function that long work calls with its title, steps done, steps in all, and a short note ("loss 3.10")."""

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None: ...


def silent(task: str, done: int, total: int, note: str = "") -> None:
    """Shows nothing."""
