"""Processes of the toolkit that tests start, kill and wait for.

A process of Python spends some 4 s of a core on imports, often more than on the work that a test is about. So these
processes are forked from a server that has imported the libraries and has done nothing else. They have the environment,
the working folder, the session and the signals of a process that a shell starts.
"""

import gc
import multiprocessing
import os
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMPORTED = ("experiments.commands.main", "experiments.grids.job", "experiments.report.page", "zsl.library")
IMPORTED += ("zsl.training.loop", "accelerate", "matplotlib.figure", "timm", "torch._dynamo")
OUTPUTS = ("stdout", "stderr")

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(list(IMPORTED))


class Started:
    """A process of the `zsl` command, or of a module if the first argument is "-m"; used like a `subprocess.Popen`.

    `environment` are variables beside those of this process; `first` is called in the process before the command.
    """

    def __init__(
        self,
        *arguments: object,
        cwd: Path = ROOT,
        environment: dict[str, str] | None = None,
        first: Callable[[], object] | None = None,
    ):
        self._folder = Path(tempfile.mkdtemp(prefix="zsl-started-"))
        command = [str(argument) for argument in arguments]
        variables = os.environ | (environment or {})
        self._process = FORKED.Process(target=_command, args=(command, variables, cwd, self._folder, first))
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs."""
        return self._process.exitcode

    poll = returncode.fget

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self) -> tuple[str, ...]:
        """Waits for the end, and returns what the process wrote to stdout and to stderr."""
        self._process.join()
        told = tuple((self._folder / name).read_text() for name in OUTPUTS)
        shutil.rmtree(self._folder)
        return told


def ranks(processes: int, *arguments: object) -> None:
    """Starts processes that train together, with the variables that torchrun sets, and waits until they end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # without ACCELERATE_USE_CPU a machine with a GPU has none for the second process
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    started = [Started(*arguments, environment=shared | one) for one in own]
    while any(process.poll() is None for process in started) and not any(process.poll() for process in started):
        time.sleep(0.01)
    for process in started:  # one that failed has left the others waiting for it
        if any(other.poll() for other in started) and process.poll() is None:
            process.send_signal(signal.SIGKILL)
    told = [process.communicate() for process in started]
    assert all(process.returncode == 0 for process in started), told


def _command(
    command: list[str], variables: dict[str, str], cwd: Path, folder: Path, first: Callable[[], object] | None
) -> None:
    gc.freeze()  # a training's collection of garbage need not look through what the server imported
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server ignores it
    for number, name in enumerate(OUTPUTS, 1):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
    if first is not None:
        first()
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        from experiments.commands.main import app

        sys.argv = ["zsl", *command]
        app()
