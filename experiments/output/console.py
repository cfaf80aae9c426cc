"""What every command shares: the terminal, progress as bars or plain lines, and errors as one line."""

import errno
import functools
import io
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
from rich.table import Table as ConsoleTable
from rich.text import Text

from embeddings.io.markup import visible

P = ParamSpec("P")
R = TypeVar("R")
# in the messages of torch and numpy when memory runs out
TOO_LARGE = ("out of memory", "can't allocate memory", "array is too big", "calculation overflowed")
STOPPED = 130  # what a shell calls a command that Ctrl-C ended
QUIET = 30  # seconds between lines where there is no terminal to draw bars on


class PlainConsole(Console):
    """A console that prints each string, also in cells and titles, literally and on one line.

    Markup and emoji codes are not interpreted, and numbers are not coloured.
    """

    def __init__(self, width: int | None = None, stderr: bool = False):
        super().__init__(width=width, stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def make_console(stderr: bool = False) -> Console:
    """The terminal; elsewhere, plain text at least 160 columns wide.

    Args:
        stderr: write to stderr, for commands whose stdout is data.
    """
    console = PlainConsole(stderr=stderr)
    return console if console.is_terminal else PlainConsole(max(console.width, 160), stderr)


def tell(line: str, err: bool = False) -> None:
    """Prints one line without wrapping it."""
    typer.echo(visible(line), err=err)


def console_table(title: str, header: list[str], rows: list[list[str]], left: int = 1) -> ConsoleTable:
    """A table for the terminal; the first `left` columns are names, aligned left, the others figures."""
    table = ConsoleTable(title=title, title_justify="left")
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row, end_section=row is rows[-1])
    return table


def clear_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turns errors that users can correct into one line on stderr, and an exit status.

    Bad input ends with status 2; a failed run or too little memory with 1. Each `InputWarning` is a line on stderr too.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from embeddings.io.errors import InputError, TrainingError

        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal may lack characters of a name
        try:
            with _warnings_as_lines():
                return command(*args, **kwargs)
        except (InputError, TrainingError) as error:
            tell(f"error: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from error
        except UnicodeEncodeError as error:
            near = error.object[max(error.start - 30, 0) : error.end + 30]
            tell(f"error: a letter in {near!r} cannot be written as {error.encoding}; change the name", err=True)
            raise typer.Exit(2) from error
        except (MemoryError, RuntimeError, ValueError) as error:
            if not _lacks_memory(error):
                raise
            told = "out of memory; lower train.batch_size, train.random_queries, evaluate.batch_size or data.image_size"
            tell(f"error: {told} ({' '.join(str(error).split())[:200]})", err=True)
            raise typer.Exit(1) from error
        except BrokenPipeError:  # the reader of a pipe has closed it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            tell(f"error: {error.strerror or error}{where}", err=True)
            raise typer.Exit(1 if error.errno == errno.ENOSPC else 2) from error

    return wrapped


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    from embeddings.io.errors import InputWarning

    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, InputWarning):
                tell(f"note: {message}", err=True)
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", InputWarning)
        yield


def _lacks_memory(error: Exception) -> bool:
    """Whether the error says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in TOO_LARGE)


@contextmanager
def stoppable(how_to_continue: Callable[[], str]) -> Iterator[None]:
    """Ends Ctrl-C with one line that says how to continue, and exit status 130.

    Args:
        how_to_continue: returns that line, after the work has stopped; of several processes, only the first prints it.
    """
    try:
        yield
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":
            tell(f"stopped; {how_to_continue()}", err=True)
        raise typer.Exit(STOPPED) from None


class ConsoleProgress:
    """An `embeddings.io.progress.Progress`; use it in a `with` block."""

    def __init__(self, console: Console):
        self.console = console
        self.bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
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
        now, task, note = time.monotonic(), visible(task), visible(note)
        self.started.setdefault(task, now)
        if self.console.is_terminal:
            if task not in self.tasks:
                self.tasks[task] = self.bars.add_task(task, total=total, note=note)
            self.bars.update(self.tasks[task], completed=done, total=total, note=note)
        elif done >= total or " mAP " in note or now - self.told.setdefault(task, now) >= QUIET:
            self.told[task] = now
            seconds = now - self.started[task]
            self.console.print(f"{task}: {done}/{total} {note} ({seconds:.0f} s)", soft_wrap=True)
