"""The driver of a grid: it checks everything, makes what runs share, and puts the runs into the queue."""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property

from embeddings.banks.bank import Bank
from embeddings.io.progress import Progress
from experiments.grids.executors import Executor, Inline
from experiments.grids.folder import GridFolder
from experiments.grids.grid import Grid, Run, check_protocol
from experiments.grids.job import Job, Outcome, disk_fault, perform, perform_shared
from experiments.grids.run_queue import Patience, RunQueue, Tell
from experiments.grids.shared_folder import SharedFolder, bank_file, shared_config, shared_key
from experiments.runs.measurement import Keep
from zsl.acceleration import make_accelerator
from zsl.context import Context
from zsl.evaluation.protocol import left_out, protocols
from zsl.readouts.table import check_readout
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig
from zsl.runs.source import Source, open_source

Banks = dict[str, Bank]


@dataclass(frozen=True)
class Ending:
    """How a grid ended: the reason of each failed run, by its folder, and the folders of runs beyond the budget."""

    failed: dict[str, str]
    left: list[str]


@dataclass
class Driver:
    """Executes the unfinished runs of a grid, and writes their results into its folder.

    Args:
        folder: made if it is missing; if it holds this grid, unfinished runs continue.
        progress: called as work is done in this process.
        tell: prints a line for the user.
        executor: what executes the runs; None for this process, one run after another.
        retry_failed: whether runs that failed before are tried again.
        processes: number of processes that train each run together.
        keep: what the test of a run leaves beside the metrics.
    """

    folder: GridFolder
    progress: Progress
    tell: Tell
    executor: Executor | None = None
    retry_failed: bool = False
    processes: int = 1
    keep: Keep = "report"
    sources: dict[str, Source] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        return self.folder.grid

    def run(self) -> Ending:
        """Runs the grid to its end.

        Raises:
            InputError: a fault that can be found before the first run starts.
            OSError: the disk could not be written to for half an hour.
        """
        self.folder.check()
        wanted = {"new", "begun", "failed"} if self.retry_failed else {"new", "begun"}
        todo = [run for run in self.grid.within if self.folder.state(run) in wanted]
        keys = list(dict.fromkeys(shared_key(run.config) for run in todo))
        todo.sort(key=lambda run: keys.index(shared_key(run.config)))  # a process keeps what runs of one key share
        in_memory = self.executor is None and self.processes == 1 and len(keys) == 1
        try:
            self._prepare(todo, in_memory)
            for log in [self.folder.log(run) for run in todo if self.folder.state(run) == "failed"]:
                log.unlink()
            here = Inline(self._perform if in_memory else perform_shared)
            jobs = [(run, self._job(run)) for run in todo]
            queue = RunQueue(self.folder, jobs, self.executor or here, self.progress, self.tell)
            queue.run()
        finally:
            if self.executor is not None:
                self.executor.close()
        failed = {run.folder: self.folder.reason(run) for run in self.grid.within if self.folder.state(run) == "failed"}
        left = [run.folder for run in self.grid.runs if self.folder.state(run) != "finished"]
        return Ending(failed | queue.failed, [name for name in left if name not in failed | queue.failed])

    def _perform(self, job: Job) -> Outcome:
        return perform(job, lambda job: self.sources[job.shared])

    def _job(self, run: Run) -> Job:
        key = shared_key(run.config)
        return Job(
            out=self.folder.path,
            run=run.folder,
            lock=str(self.folder.lock(run).relative_to(self.folder.path)),
            task=run.task,
            config=run.config,
            source=self._source_configs[key],
            shared=f"shared/{key}",
            bank=f"shared/{key}/{bank_file(run.config)}",
            processes=self.processes,
            keep=self.keep,
        )

    @cached_property
    def _source_configs(self) -> dict[str, RunConfig]:
        """By shared key, what the grid's first run with that key shares, finished or not."""
        found: dict[str, RunConfig] = {}
        for run in self.grid.runs:
            found.setdefault(shared_key(run.config), shared_config(run.config))
        return found

    def _prepare(self, todo: list[Run], in_memory: bool) -> None:
        """Checks all that can be checked before the first run, and makes the folder and what runs share."""
        sources: dict[str, Source] = {}
        for key in dict.fromkeys(shared_key(run.config) for run in todo):
            config = self._source_configs[key]
            sources[key] = open_source(config, Context.of(config.train.precision, progress=self.progress))
        check_protocol([(source.config, source.data) for source in sources.values()], str(self.folder.path))
        asked = {name: len(p.labels) for source in sources.values() for name, p in protocols(source.data).items()}
        for line in left_out(asked, self.grid.config.evaluate.k):
            self.tell(f"note: {line}")
        banks = self._check(todo, sources)
        for source in sources.values() if in_memory else ():
            if source.cached and source.config.backbone and source.config.backbone.pretraining is None:
                source.read()  # an image that does not decode is found before anything is written
        self.folder.begin()
        for key, source in sources.items():
            self.sources[f"shared/{key}"] = self._share(key, source, banks, not in_memory)
        if not in_memory:
            self.sources.clear()  # the runs read them from the disk

    def _check(self, todo: list[Run], sources: dict[str, Source]) -> dict[str, Bank]:
        """The banks of the runs, by their paths in the grid's folder; checks that each run's readout fits its bank."""
        banks: dict[str, Bank] = {}
        for run in todo:
            key = shared_key(run.config)
            place, source = f"shared/{key}/{bank_file(run.config)}", sources[key].of(run.config)
            if place not in banks:
                path = self.folder.path / place
                banks[place] = (
                    Bank.load(path) if path.is_file() else load_bank(run.config.bank, source.data, self.progress)
                )
            embed_dim, device = banks[place].embed_dim, source.context.device
            check_readout(run.config.decoder, 1, embed_dim, len(source.data.seen), device)
        return banks

    def _share(self, key: str, source: Source, banks: dict[str, Bank], on_disk: bool) -> Source:
        """Makes what the runs of a key share; waits while the disk cannot be written to."""
        path = self.folder.path / "shared" / key
        patience = Patience()
        while True:
            accelerator = make_accelerator(source.config.train.precision)  # a grid may have several precisions
            source.context = replace(source.context, accelerator=accelerator)
            try:
                SharedFolder(path).make(source, on_disk)
                for place, bank in banks.items():
                    if (self.folder.path / place).parent.parent == path:
                        SharedFolder(path).keep_bank(self.folder.path / place, bank)
                return source
            except OSError as error:
                fault = disk_fault(error)
                seconds = patience.next()
                if fault is None or seconds is None:
                    raise
                self.tell(f"waits for the disk ({fault}); next try in {seconds:.0f} s")
                time.sleep(seconds)
                # opened again: an interrupted training has changed the backbone
                source = open_source(source.config, source.context)
