"""How long-running work reports its progress: to a bar, to lines of text, or to nothing."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """A function that is called with a task's title, the steps done, their total, and a short note ("loss 3.10")."""

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None: ...


def silent(task: str, done: int, total: int, note: str = "") -> None:
    """Shows nothing."""
