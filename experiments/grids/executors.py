"""What executes the runs of a grid: this process, or a pool of processes on this machine."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import torch

from experiments.grids.job import Job, Outcome, perform_shared
from experiments.processes import own_environment

# what runs import; none of these initializes CUDA, which would not survive a fork
IMPORTED = ("experiments.grids.job", "zsl.training.loop", "timm", "torch._dynamo", "matplotlib.figure")


class Executor(Protocol):
    """Runs jobs, several at a time."""

    def slots(self) -> int:
        """How many jobs may run at the same time."""
        ...

    def submit(self, job: Job) -> Future[Any]:
        """Starts a job; give its future to `collect`."""
        ...

    def collect(self, job: Job, future: Future[Any]) -> Outcome:
        """The outcome of a job whose future is done; its files are then in the grid's folder."""
        ...

    def close(self) -> None:
        """Ends all processes at once, busy or not."""
        ...


class Inline:
    """Runs one job after another in this process."""

    def __init__(self, perform: Callable[[Job], Outcome]):
        self.perform = perform

    def slots(self) -> int:
        return 1

    def submit(self, job: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(self.perform(job))
        return future

    def collect(self, job: Job, future: Future[Outcome]) -> Outcome:
        return future.result()

    def close(self) -> None:
        """Does nothing: there is no other process."""


class Pool:
    """`workers` processes that share the cores of this machine.

    Each worker is a pool of one process, so that a process that dies takes no other job with it. On Linux the workers
    are forked from a server that has imported the libraries and has done nothing else, so that imports are paid once.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self.threads = max(1, usable_cores() // workers)
        self.context = _context()
        # only this process has the writing end: when it dies or closes it, the workers read an end of file
        self.alive, self.driver = self.context.Pipe(duplex=False)
        self.free = [self._worker() for _ in range(workers)]
        self.busy: dict[Future[Outcome], ProcessPoolExecutor] = {}

    def _worker(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self.context, _begin_worker, (self.threads, self.alive))

    def slots(self) -> int:
        return self.workers

    def submit(self, job: Job) -> Future[Outcome]:
        worker = self.free.pop()
        try:
            future = worker.submit(perform_shared, job)
        except BrokenProcessPool:  # its process died while it was idle
            worker = self._worker()
            future = worker.submit(perform_shared, job)
        self.busy[future] = worker
        return future

    def collect(self, job: Job, future: Future[Outcome]) -> Outcome:
        worker = self.busy.pop(future)
        try:
            outcome = future.result()
        except BrokenProcessPool:
            worker.shutdown()
            worker = self._worker()
            outcome = Outcome(kind="lost", message="its process died (killed, perhaps because memory ran out)")
        self.free.append(worker)
        return outcome

    def close(self) -> None:
        self.driver.close()
        for worker in [*self.free, *self.busy.values()]:
            worker.shutdown(cancel_futures=True)
        self.alive.close()


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _context() -> BaseContext:
    """How worker processes start; elsewhere than on Linux, libraries of the system may not survive a fork."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    kept = dict(os.environ)
    os.environ.update(own_environment())  # the server looks for modules where this process does
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return context


def _begin_worker(threads: int, alive: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the driver acts on it
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_driver, args=(alive,), daemon=True).start()


def _end_with_driver(alive: Connection) -> None:
    alive.poll(None)  # nothing is sent: it returns at the end of the file
    os._exit(1)  # at once: what a run needs to continue is on the disk
