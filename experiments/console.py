"""Progress on a terminal as bars, elsewhere as plain lines."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class ConsoleProgress:
    """A `zsl.progress.Progress`; use it in a `with` block."""

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

    def __enter__(self) -> "ConsoleProgress":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None:
        self.started.setdefault(task, time.monotonic())
        if self.console.is_terminal:
            if task not in self.tasks:
                self.tasks[task] = self.bars.add_task(task, total=total, note=note)
            self.bars.update(self.tasks[task], completed=done, total=total, note=note)
        elif done >= total or " loss " in note:
            seconds = time.monotonic() - self.started[task]
            self.console.print(f"{task}: {done}/{total} {note} ({seconds:.0f} s)", highlight=False, soft_wrap=True)
