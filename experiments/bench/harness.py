"""What benchmarks share: sides that run in turn, the machine, and figures as a table and as JSON."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embeddings.io.progress import Progress


@dataclass(frozen=True)
class Measured:
    """A row of costs: what was measured, its figures by name, and the paper's figures by name."""

    variant: dict[str, Any]
    metrics: dict[str, float]
    paper: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """A benchmark's result: a table, the same as JSON (`record`), and `measured`, the rows of a table of the paper."""

    title: str
    header: list[str]
    rows: list[list[str]]
    record: dict[str, Any]
    measured: tuple[Measured, ...] = ()


def machine() -> dict[str, str]:
    """The hardware and the versions that figures depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = models[0] if models else cpu
    packages = ("torch", "sentence-transformers", "transformers", "gensim", "numpy")
    return {"cpu": f"{os.cpu_count()} x {cpu}", "python": platform.python_version()} | {p: version(p) for p in packages}


def interleaved(sides: Mapping[str, Callable[[], None]], rounds: int, progress: Progress) -> dict[str, list[float]]:
    """Seconds of each side in each round; in a round, all sides run in turn."""
    progress("rounds", 0, rounds)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for done in range(rounds):
        # the order alternates, so that no side always runs after the other
        for side in list(sides)[:: 1 if done % 2 == 0 else -1]:
            started = time.perf_counter()
            sides[side]()
            seconds[side].append(time.perf_counter() - started)
        progress("rounds", done + 1, rounds)
    return seconds
