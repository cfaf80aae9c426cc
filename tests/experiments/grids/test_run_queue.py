"""The queue of runs: how long it waits for the disk, and when it gives a run up."""

from concurrent.futures import Future

from experiments.grids.driver import Driver
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.grids.job import Outcome, perform_shared
from experiments.grids.run_queue import LONGEST, LOST, PATIENCE, Patience
from tests.experiments.grid_files import FOUR, write_grid


def test_each_wait_for_the_disk_is_twice_as_long_up_to_half_an_hour_in_all():
    patience = Patience()
    waits = list(iter(patience.next, None))
    # 1 + 2 + ... + 32 = 63 s, then a minute each until half an hour is over: 63 + 29 * 60 = 1803
    assert waits == [1, 2, 4, 8, 16, 32] + [LONGEST] * 29
    assert sum(waits[:-1]) < PATIENCE <= sum(waits)


class Deadly:
    """An executor in which the process of one run dies every time."""

    def __init__(self):
        self.tries = 0

    def slots(self):
        return 2

    def submit(self, job):
        future = Future()
        deadly = "text-learnable" in job.run
        self.tries += deadly
        future.set_result(Outcome(kind="lost", message="it died") if deadly else perform_shared(job))
        return future

    def collect(self, job, future):
        return future.result()

    def close(self):
        pass


def test_only_the_run_that_kills_its_process_is_given_up(tokens):
    grid = spec_grid(write_grid(tokens, FOUR), None, [], None)
    deadly, lines = Deadly(), []
    folder = GridFolder(tokens / "out", grid)
    ending = Driver(folder, lambda *_: None, lines.append, deadly).run()
    assert deadly.tries == LOST + 1
    assert ending.failed == {"runs/text-learnable-seed0": "it died"}
    assert len(folder.records()) == 3
    assert folder.reason(grid.runs[1]) == "it died"
