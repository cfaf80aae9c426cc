"""Seconds and peak memory of Python code in its own process."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.processes import own_environment

PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print("peak", line.split()[1])
"""


def peak_of(code: str, arguments: Sequence[str], cache: Path) -> tuple[float, int, str]:
    """Seconds, peak resident bytes (from Linux's /proc) and output of a process that runs Python code."""
    started = time.perf_counter()
    # the process reports its own peak: the one of wait4 includes the parent's memory at the fork
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{PEAK}", *arguments],
        capture_output=True,
        text=True,
        env=own_environment(ZSL_CACHE=str(cache)),
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"a benchmark's process ended with status {done.returncode}: {done.stderr[-2000:]}")
    return seconds, int(done.stdout.split()[-1]) * 1024, done.stdout
