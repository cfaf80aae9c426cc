"""The queue of a grid's runs. Each run goes to the executor.

A run returns to the queue if its process died, if another command is executing it, or if the disk cannot be written to.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from embeddings.io.progress import Progress
from experiments.grids.executors import Executor
from experiments.grids.folder import GridFolder
from experiments.grids.grid import Run
from experiments.grids.job import Job, Outcome, disk_fault

LOST = 3  # times that the process of a run may die before the run counts as failed
PATIENCE = 1800.0  # seconds of waiting for the disk
LONGEST = 60.0  # seconds between two tries, at most
AGAIN = 2.0  # seconds until the next try of a run that another command is executing
TICK = 0.5  # seconds between two checks of the queue

Tell = Callable[[str], None]


@dataclass
class Patience:
    """How long to wait for the disk before the next try: twice as long each time, up to `PATIENCE` in all."""

    tries: int = 0
    waited: float = 0.0

    def next(self) -> float | None:
        """Seconds until the next try; None when the patience is used up."""
        if self.waited >= PATIENCE:
            return None
        seconds = min(LONGEST, 2.0**self.tries)
        self.tries += 1
        self.waited += seconds
        return seconds


@dataclass
class RunQueue:
    """Runs and their jobs, in order.

    After `run`, `failed` has the reason of each failed run, by its folder.
    """

    folder: GridFolder
    jobs: list[tuple[Run, Job]]
    executor: Executor
    progress: Progress
    tell: Tell
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = deque(self.jobs)
        self.under_way: dict[Future[Outcome], tuple[Run, Job]] = {}
        self.due: dict[str, float] = {}
        self.patience: dict[str, Patience] = {}
        self.lost: Counter[str] = Counter()
        self.told: set[str] = set()
        self.logs: dict[str, tuple[Run, str]] = {}  # not written yet
        self.gathered = False  # whether results.json holds all finished runs
        self.gather_due = 0.0
        self.gathering = Patience()
        hours = self.folder.grid.budget.hours
        self.end = time.monotonic() + 3600 * hours if hours is not None else None

    def run(self) -> None:
        """Runs until every run is finished or failed, or the budget is spent.

        Raises:
            OSError: `results.json` could not be written for too long.
        """
        while self.queue or self.under_way or not self.gathered:
            self._fill()
            if self.under_way:
                done, _ = wait(self.under_way, TICK, FIRST_COMPLETED)
                for future in done:
                    run, job = self.under_way.pop(future)
                    self._settle(run, job, self.executor.collect(job, future))
            elif self.queue or not self.gathered:
                time.sleep(self._idle())
            self._write()

    def _idle(self) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        dues = [self.due.get(run.folder, now) for run, _ in self.queue] + ([] if self.gathered else [self.gather_due])
        return min(max(0.0, min(dues) - now), TICK)

    def _fill(self) -> None:
        """Submits the runs that are due, as many as the executor has slots for."""
        slots = self.executor.slots()
        for _ in range(len(self.queue)):
            if len(self.under_way) >= slots:
                return
            if self.end is not None and time.monotonic() >= self.end:
                self.queue.clear()
                return
            run, job = self.queue.popleft()
            state = self.folder.state(run)
            if state in ("finished", "failed"):  # another command did it
                self._count(run)
            elif time.monotonic() < self.due.get(run.folder, 0):
                self.queue.append((run, job))
            else:
                self.under_way[self.executor.submit(job)] = run, job

    def _settle(self, run: Run, job: Job, outcome: Outcome) -> None:
        """Counts a run, or puts it back into the queue."""
        name, now = run.folder, time.monotonic()
        if outcome.kind == "finished":
            self._count(run)
        elif outcome.kind == "busy":
            self._once(f"{name} is running in another command; waiting for it")
            self.due[name] = now + AGAIN
            self.queue.append((run, job))
        elif outcome.kind == "waiting":
            seconds = self.patience.setdefault(name, Patience()).next()
            if seconds is None:
                self._fail(run, Outcome(kind="failed", message=f"the disk could not be written: {outcome.message}"))
                return
            self.tell(f"{name} waits for the disk ({outcome.message}); next try in {seconds:.0f} s")
            self.due[name] = now + seconds
            self.queue.append((run, job))
        elif outcome.kind == "lost":
            self.lost[name] += 1
            if self.lost[name] > LOST:
                self._fail(run, outcome)
                return
            self.tell(f"{name}: {outcome.message}; it continues from its last checkpoint")
            self.queue.appendleft((run, job))
        else:
            self._fail(run, outcome)

    def _once(self, line: str) -> None:
        if line not in self.told:
            self.told.add(line)
            self.tell(line)

    def _count(self, run: Run) -> None:
        self.gathered = False
        self._tell_progress(run)

    def _fail(self, run: Run, outcome: Outcome) -> None:
        self.failed[run.folder] = outcome.message
        self.logs[run.folder] = run, f"{outcome.message}\n\n{outcome.log}"
        self.tell(f"{run.folder} failed: {outcome.message}")
        self.gathered = False
        self._tell_progress(run)

    def _tell_progress(self, run: Run) -> None:
        left = len(self.queue) + len(self.under_way)
        self.progress("runs", len(self.jobs) - left, len(self.jobs), run.task)

    def _write(self) -> None:
        """Writes the logs of failures and `results.json` when something changed and the disk can be written to."""
        now, ended = time.monotonic(), not (self.queue or self.under_way)
        if self.gathered or (now < self.gather_due and not (ended and self.gathering.tries == 0)):
            return
        try:
            for name, (run, text) in list(self.logs.items()):
                self.folder.write_log(run, text)
                del self.logs[name]
            self.folder.gather()
        except OSError as error:
            fault, seconds = disk_fault(error), self.gathering.next()
            if fault is None or seconds is None:
                raise
            self.tell(f"results.json waits for the disk ({fault}); next try in {seconds:.0f} s")
            self.gather_due = now + seconds
            return
        self.gathered, self.gathering, self.gather_due = True, Patience(), now + 1
