"""What every command shares: the terminal, progress as bars or plain lines, and errors as one line."""

import errno
import functools
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

P = ParamSpec("P")
R = TypeVar("R")
# how torch and numpy tell of memory that cannot be had
TOO_LARGE = ("out of memory", "can't allocate memory", "array is too big", "calculation overflowed")
QUIET = 30  # seconds between lines where there is no terminal to draw bars on


def make_console() -> Console:
    """The terminal, or text of 160 columns at least."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 160))


def clear_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Bad input ends in one line and exit status 2, a failed run or too little memory in one and exit
    status 1.

    Each `InputWarning` is a line on stderr.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from embeddings.errors import InputError, TrainingError

        try:
            with _warnings_as_lines():
                return command(*args, **kwargs)
        except (InputError, TrainingError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from error
        except (MemoryError, RuntimeError, ValueError) as error:
            if not _lacks_memory(error):
                raise
            told = "out of memory; lower train.batch_size, evaluate.batch_size, data.image_size or the decoder's sizes"
            typer.echo(f"error: {told} ({' '.join(str(error).split())[:200]})", err=True)
            raise typer.Exit(1) from error
        except BrokenPipeError:  # the reader of a pipe has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            typer.echo(f"error: {error.strerror or error}{where}", err=True)
            raise typer.Exit(1 if error.errno == errno.ENOSPC else 2) from error

    return wrapped


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    from embeddings.errors import InputWarning

    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, InputWarning):
                typer.echo(f"note: {message}", err=True)
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", InputWarning)
        yield


def _lacks_memory(error: Exception) -> bool:
    """Whether memory could not be had."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in TOO_LARGE)


class ConsoleProgress:
    """A `embeddings.progress.Progress`; use it in a `with` block."""

    def __init__(self, console: Console):
        self.console = console
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.started: dict[str, float] = {}
        self.told: dict[str, float] = {}

    def __enter__(self) -> "ConsoleProgress":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        self.started.setdefault(task, now)
        if self.console.is_terminal:
            if task not in self.tasks:
                self.tasks[task] = self.bars.add_task(task, total=total, note=note)
            self.bars.update(self.tasks[task], completed=done, total=total, note=note)
        elif done >= total or " mAP " in note or now - self.told.setdefault(task, now) >= QUIET:
            self.told[task] = now
            seconds = now - self.started[task]
            self.console.print(f"{task}: {done}/{total} {note} ({seconds:.0f} s)", highlight=False, soft_wrap=True)
