"""The command line as tests call it."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from experiments.commands.main import app

ROOT = Path(__file__).parents[2]


def zsl(*arguments):
    """Runs the command in this process; an exception that is not meant for users comes through."""
    return run(app, *arguments)


def run(commands, *arguments):
    """`zsl`, of other commands."""
    result = CliRunner().invoke(commands, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(result, *words):
    """Checks for exit status 2 and one line on stderr that holds the words."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def launched(processes, *arguments):
    """Runs the command in several processes, by torch's launcher, until it ends."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *launch, "-m", "tests.experiments.counted", processes, *arguments]
    # accelerate launch would start one process where there is no GPU
    environment = os.environ | {"ACCELERATE_USE_CPU": "true"}
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
