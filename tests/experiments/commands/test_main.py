"""The command line as a whole: help, the version, mistyped names, and the command as a process."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.experiments.command import refused, zsl


def test_as_a_process():
    command = [str(Path(sys.executable).parent / "zsl")]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in shown.stdout for name in ("demo", "ablate", "train", "evaluate"))
    wrong = subprocess.run([*command, "train", "demo", "--out", "x", "--set", "a.b=1"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "error: demo: unknown key 'a'; known: data, bank, backbone, decoder, augment, train, evaluate, held_out\n"
    )


def test_an_output_folder_that_exists_is_left_alone(small, tmp_path):
    (tmp_path / "out").mkdir()
    refused(zsl("demo", "--out", tmp_path / "out", *small), "out exists", "choose another --out")
    refused(zsl("train", "demo", "--out", tmp_path / "out", *small), "out exists")
    (tmp_path / "file").touch()
    refused(zsl("train", "demo", "--out", tmp_path / "file" / "run", *small), "cannot be made")
    assert not list((tmp_path / "out").iterdir())


def test_help_names_every_command_and_cuts_no_line():
    shown = zsl("--help").stdout
    assert [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line.strip()] == [
        *("train", "evaluate", "predict", "export", "import-official", "threshold", "calibrate-gzsl"),
        *("ablate", "select", "demo", "report", "recipe", "bank", "data", "bench"),
    ]
    assert "--install-completion" in shown


def test_the_version_is_the_packages():
    assert zsl("--version").stdout == f"zsl {version('zero-shot-toolkit')}\n"


def test_a_mistyped_command_suggests_the_right_one():
    result = zsl("trian")
    assert result.exit_code == 2
    assert "Did you mean 'train'?" in result.stderr
