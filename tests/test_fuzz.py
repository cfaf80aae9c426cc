"""A small share of `benchmarks/fuzz.py`: damaged files through every reader, without the shape checks of tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
INPUTS = 400


def test_damaged_files_are_read_or_refused_in_one_line():
    command = [sys.executable, "benchmarks/fuzz.py", "--inputs", str(INPUTS), "--seed", "1", "--workers", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{INPUTS} inputs, 0 faults" in ended.stdout
