"""Executes the runs of a grid on a Ray cluster, whose machines need no shared disk.

A run is one task. It works in a folder on its machine's temporary disk; what runs share is copied there once. Its files
return to the driver, which writes them into the grid's folder and holds the run's lock meanwhile.
"""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from embeddings.io import atomic
from embeddings.io.errors import InputError
from experiments.grids.folder import FOLDERS, GridFolder
from experiments.grids.job import Job, Outcome, outcome_of, perform_shared
from experiments.grids.run_queue import Tell

try:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise InputError("--on ray needs Ray, which is not installed; pip install 'zero-shot-toolkit[ray]'") from error

Files = dict[str, bytes]
RETRIES = 3  # by Ray itself, if the process or machine of a task is lost
NODE = "NODE"
PACKAGES = Path(__file__).parents[2]
ENDING = 10  # seconds in which machines remove what they received
LAST = ("run.json", "metrics.json")  # with these files, a run is whole


class RayCluster:
    """Runs as tasks with `cpus` and `gpus` each; without an address, on a cluster of this machine alone.

    Raises:
        InputError: no cluster at the address, or none that has what a run asks for.
    """

    def __init__(self, folder: GridFolder, address: str, cpus: float, gpus: float, tell: Tell):
        if address.startswith("ray://"):
            raise InputError(
                f"--on ray:{address}: run zsl on a machine of the cluster, because that machine serves the files"
            )
        try:
            dashboard = None if address else False  # a cluster has its own
            quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": dashboard}
            with contextlib.chdir(PACKAGES):  # Ray's processes look for modules in its working directory first
                ray.init(address or "local", **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray cluster at {address!r} ({' '.join(str(error).split())[:200]})") from error
        self.folder, self.cpus, self.gpus, self.alone = folder, cpus, gpus, not address
        self.node = ray.get_runtime_context().get_node_id()
        self.server: Any = None
        self.locks: dict[str, FileLock] = {}
        self.kept: dict[str, tuple[Outcome, Files]] = {}  # results that wait for the disk
        task = ray.remote(_perform)
        self.task = task.options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)

        if not any(_fits(node["Resources"], cpus, gpus) for node in ray.nodes() if node["Alive"]):
            tell(f"no machine of the cluster has {cpus:g} CPUs and {gpus:g} GPUs for a run; waiting for one")

    @property
    def name(self) -> str:
        """The name of the grid's folder on each machine; "NODE" stands for the machine's name in the cluster.

        A cluster of this machine alone gets a new name each time; "here" lets the next command find its folder.
        """
        return f"zsl-grid-{self.folder.id}-{'here' if self.alone else NODE}"

    def slots(self) -> int:
        """The number of runs that fit on the cluster now, plus one, so that a cluster that can grow does so."""
        have = ray.cluster_resources()
        fitting = [have.get("CPU", 0) // self.cpus] + ([have.get("GPU", 0) // self.gpus] if self.gpus else [])
        return int(min(fitting)) + 1

    def submit(self, job: Job) -> Future[Any]:
        """Sends a run, with its files so far."""
        future: Future[Any] = Future()
        if job.run in self.kept:
            future.set_result(self.kept[job.run])
            return future
        lock = FileLock(job.out / job.lock, timeout=0)
        try:
            lock.acquire()
            if self.server is None:
                self.server = self._serve()
            files = pack(job.folder)
        except Timeout:
            future.set_result((Outcome(kind="busy"), {}))
            return future
        except OSError as error:
            lock.release()
            future.set_result((outcome_of(error), {}))
            return future
        self.locks[job.run] = lock
        sent = self.task.remote(job.model_dump_json(), self.name, str(Path.cwd()), files, self.server, self.node)
        return sent.future()

    def _serve(self) -> Any:
        here = NodeAffinitySchedulingStrategy(self.node, soft=False)
        return (
            ray.remote(SharedFiles)
            .options(num_cpus=0, scheduling_strategy=here)
            .remote(str(self.folder.path.absolute()))
        )

    def collect(self, job: Job, future: Future[Any]) -> Outcome:
        """Writes the files that came back into the grid's folder."""
        try:
            outcome, files = future.result()
        except RayError as error:
            self._release(job)
            return Outcome(kind="lost", message=f"it was lost on the cluster ({type(error).__name__})", log=str(error))
        try:
            unpack(files, job.folder)
        except OSError as error:
            self.kept[job.run] = outcome, files
            return outcome_of(error)
        self.kept.pop(job.run, None)
        self._release(job)
        return outcome

    def _release(self, job: Job) -> None:
        lock = self.locks.pop(job.run, None)
        if lock is not None:
            lock.release()

    def close(self) -> None:
        """Ends the tasks that are left.

        What the machines received is removed, unless runs were interrupted: the next command continues those in place.
        """
        if not self.locks and self.server is not None:
            self._remove_scratch()
        ray.shutdown()
        for lock in self.locks.values():
            lock.release()

    def _remove_scratch(self) -> None:
        with contextlib.suppress(RayError):
            remove = ray.remote(_remove_scratch)
            nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
            places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
            sent = [remove.options(num_cpus=0, scheduling_strategy=p).remote(self.name) for p in places]
            ray.wait(sent, num_returns=len(sent), timeout=ENDING)


def _fits(have: dict[str, float], cpus: float, gpus: float) -> bool:
    return have.get("CPU", 0) >= cpus and have.get("GPU", 0) >= gpus


class SharedFiles:
    """An actor on the driver's machine that serves the files of a grid's folder (an absolute path)."""

    def __init__(self, folder: str):
        self.folder = Path(folder)

    def place(self) -> str:
        """The folder, on the driver's machine."""
        return str(self.folder)

    def names(self, place: str) -> list[str]:
        """The files below a folder."""
        return [str(p.relative_to(self.folder)) for p in sorted((self.folder / place).rglob("*")) if p.is_file()]

    def read(self, name: str) -> bytes:
        """A file's content."""
        return (self.folder / name).read_bytes()


def _perform(told: str, name: str, where: str, files: Files, server: Any, driver_node: str) -> tuple[Outcome, Files]:
    """The task: one run, on the machine that Ray chose."""
    job = Job.model_validate_json(told)
    torch.set_num_threads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
    if Path(where).is_dir():
        os.chdir(where)  # relative paths of data mean the same as for the driver
    try:
        scratch = _scratch(name)
        if not (scratch / job.run / "begun.json").is_file():
            unpack(files, scratch / job.run)
        _fetch(job, scratch, server, driver_node)
        outcome = perform_shared(job.model_copy(update={"out": scratch}))
        return outcome, pack(scratch / job.run) if outcome.kind in ("finished", "failed") else {}
    except Exception as error:
        return outcome_of(error), {}


def _scratch(name: str) -> Path:
    """The machine's folder for a grid."""
    path = _scratch_path(name)
    path.mkdir(mode=0o700, exist_ok=True)
    for inside in FOLDERS:
        (path / inside).mkdir(exist_ok=True)
    return path


def _scratch_path(name: str) -> Path:
    return Path(tempfile.gettempdir()) / name.replace(NODE, ray.get_runtime_context().get_node_id()[:12])


def _remove_scratch(name: str) -> None:
    shutil.rmtree(_scratch_path(name), ignore_errors=True)


def _fetch(job: Job, scratch: Path, server: Any, driver_node: str) -> None:
    """Puts what runs share into the machine's folder: copied once, or linked on the driver's machine."""
    with FileLock(scratch / "locks" / "shared.lock"):
        if ray.get_runtime_context().get_node_id() == driver_node:
            if not (scratch / job.shared).is_symlink():
                (scratch / job.shared).symlink_to(Path(ray.get(server.place.remote())) / job.shared)
            return
        names = [name for name in ray.get(server.names.remote(job.shared)) if not _private(name)]
        # manifest last: with it, the tokens are whole
        for name in sorted(names, key=lambda name: name.endswith("manifest.json")):
            path = scratch / name
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic.write_bytes(path, ray.get(server.read.remote(name)))


def _private(name: str) -> bool:
    """Locks, and files of interrupted writes."""
    return Path(name).name == "lock" or Path(name).name.startswith(".")


def pack(folder: Path) -> Files:
    """The files of a run, by their paths in its folder; {} without a folder."""
    found: Iterator[Path] = folder.rglob("*") if folder.is_dir() else iter(())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if p.is_file() and not _private(p.name)}


def unpack(files: Files, folder: Path) -> None:
    """Writes a run's files, those of `LAST` at the end, and removes its earlier checkpoints."""
    for name in sorted(files, key=lambda name: (name in LAST, name == "metrics.json")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, files[name])
    if files and "run.json" in files:
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
