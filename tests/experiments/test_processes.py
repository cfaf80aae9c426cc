"""Python subprocesses find the toolkit, whatever is in the working directory."""

import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments.processes import own_environment
from tests.experiments.grid_files import own_experiments

OURS = str(Path(experiments.__file__).parent)
WHERE = "from importlib.util import find_spec; print(find_spec('experiments').origin)"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(own_experiments(tmp_path))
    return tmp_path


def _output(command, **options):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, **options).stdout


def test_a_users_folder_named_experiments_is_not_imported(place):
    assert _output(["-c", WHERE]).startswith(str(place))  # as Python has it
    assert _output(["-c", WHERE], env=own_environment()).startswith(OURS)


def test_an_environment_takes_more_variables(place):
    found = own_environment(ZSL_CACHE="there")
    assert found["ZSL_CACHE"] == "there"
    assert found["PYTHONSAFEPATH"] == "1"


def test_every_process_of_python_is_started_in_that_environment():
    starting = [path for path in Path(OURS).rglob("*.py") if "sys.executable" in path.read_text()]
    assert len(starting) == 1
    starting.append(Path(OURS).parent / "benchmarks" / "peak.py")
    assert all("own_environment(" in path.read_text() for path in starting)
