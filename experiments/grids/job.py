"""Executes one run of a grid, in any process: lock, training, test, outcome."""

import contextlib
import errno
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import torch
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError, TrainingError
from embeddings.io.reading import parse_model
from experiments.grids.shared_folder import opened
from experiments.output.plots import history_plotter
from experiments.processes import own_environment
from experiments.runs.measurement import Keep, evaluate_run
from zsl.config import Config
from zsl.runs.config import RunConfig
from zsl.runs.folder import begin_run, train_run
from zsl.runs.source import Source

# temporary faults: a disk that is full, read-only or disconnected
DISK = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
ANSWER = "outcome of the run: "


class Job(Config):
    """What a process needs to execute a run; processes pass it as JSON.

    `out` is the grid's folder; `run`, `lock`, `shared` and `bank` are paths in it. `source` is the config from which
    the shared data and tokens were made. `processes` is the number of processes that train the run together. `keep` is
    what the test leaves beside the metrics: what reports show, the scores, or both.
    """

    out: Path
    run: str
    lock: str
    task: str
    config: RunConfig
    source: RunConfig
    shared: str
    bank: str
    processes: int = 1
    keep: Keep = "report"

    @property
    def folder(self) -> Path:
        return self.out / self.run


class Outcome(Config):
    """How a run ended.

    `kind` is "finished"; "busy", if another process is executing it; "waiting", if the disk cannot be written to;
    "failed"; or "lost", if its process died. `log` is the traceback of a failure.
    """

    kind: Literal["finished", "busy", "waiting", "failed", "lost"]
    message: str = ""
    log: str = ""


def perform(job: Job, source_of: Callable[[Job], Source]) -> Outcome:
    """Executes a run, or what is left of it; if several processes train it, each of them calls this."""
    try:
        source = source_of(job).of(job.config)
        with _held(job, source) as held:
            if not held:
                return Outcome(kind="busy")
            _train_and_test(job, source)
        return Outcome(kind="finished")
    except Exception as error:  # any error: the other runs of the grid continue
        return outcome_of(error)


def perform_shared(job: Job) -> Outcome:
    """`perform` with what runs share read from the disk; a run of several processes is started here."""
    return perform_alone(job) if job.processes == 1 else _launch(job)


def perform_alone(job: Job) -> Outcome:
    """`perform` in this process, with what runs share read from the disk."""
    return perform(job, _opened)


def outcome_of(error: BaseException) -> Outcome:
    """The outcome of a run that ended in an error: a disk to wait for, or a failure."""
    fault = disk_fault(error)
    if fault is not None:
        return Outcome(kind="waiting", message=fault)
    told = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, InputError | TrainingError):
        told = f"{type(error).__name__}: {told}"
    return Outcome(kind="failed", message=told, log="".join(traceback.format_exception(error)))


def disk_fault(error: BaseException) -> str | None:
    """What is wrong with the disk, if the error or one of its causes is a temporary fault; else None."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK:
            return f"{cause.strerror}: {cause.filename}" if cause.filename else str(cause.strerror)
        cause = cause.__cause__
    return None


@contextmanager
def _held(job: Job, source: Source) -> Iterator[bool]:
    """Whether this run is ours: its main process holds the lock, which the system releases when that process dies."""
    with ExitStack() as stack:
        held = [True]
        if source.context.is_main:
            try:
                stack.enter_context(FileLock(job.out / job.lock, timeout=0))
            except Timeout:
                held = [False]
        broadcast_object_list(held)
        yield held[0]


def _train_and_test(job: Job, source: Source) -> None:
    folder = job.folder
    if not (folder / "run.json").is_file():
        bank = Bank.load(job.out / job.bank)
        begin_run(source, bank, folder, resume=True)
        train_run(source, bank, folder, job.task, history_plotter(folder, job.config.train.epochs))
    if not (folder / "metrics.json").is_file():
        evaluate_run(folder, source, f"test {job.task}", job.keep)


def _opened(job: Job) -> Source:
    return opened(job.out / job.shared, job.source.model_dump_json())


def _launch(job: Job) -> Outcome:
    """Executes the run in several processes; they end when this one does."""
    module = ["-m", "experiments.grids.torchrun_worker", job.model_dump_json()]
    command = [
        sys.executable,
        "-m",
        "experiments.grids.torchrun",
        "--standalone",
        "--nproc_per_node",
        str(job.processes),
    ]
    threads = str(max(1, torch.get_num_threads() // job.processes))
    # without ACCELERATE_USE_CPU each process trains alone
    alone = {} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"}
    environment = own_environment(OMP_NUM_THREADS=threads, **alone)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, *module], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None  # stdin stays open: its end tells the processes that this one has ended
            told = process.stdout.read()
        except BaseException:
            process.terminate()
            raise
    answers = [line.partition(ANSWER)[2] for line in told.splitlines() if ANSWER in line]
    with contextlib.suppress(InputError):  # a process that dies may leave half a line
        return parse_model(answers[0] if answers else "", Outcome, "the answer", "")
    return Outcome(kind="lost", message=f"its processes ended with status {process.returncode}", log=told)
