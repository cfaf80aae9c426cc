"""Speed and memory against peers, both sides in one run."""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.banks.similarity import unit
from embeddings.io.arrays import read_array
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.processes import own_environment
from zsl.data.layouts.drawing import COLOUR_SYNONYMS, SHAPE_SYNONYMS, TEXTURES


@dataclass(frozen=True)
class Measured:
    """A row of costs: what it is of, its figures by name, and the paper's."""

    variant: dict[str, Any]
    metrics: dict[str, float]
    paper: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """A benchmark's result: a table, and the same as JSON; `measured` are the rows of one that stands in the paper."""

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


def phrases(count: int) -> list[str]:
    """Distinct label names of three words, and of four once those are used up."""

    def words(synonyms: dict[str, str]) -> list[str]:
        return [*synonyms, *synonyms.values()]

    plain = [" ".join(p) for p in product(words(TEXTURES), words(COLOUR_SYNONYMS), words(SHAPE_SYNONYMS))]
    return list(islice((f"{p} {n}".strip() for n in ["", *range(count)] for p in plain), count))


def bench_encoding(encoder: str, labels: int, rounds: int, progress: Progress) -> Figures:
    """`build_bank` and saving, against the model's own `encode` on the same texts; both load the model."""
    from sentence_transformers import SentenceTransformer

    family, _, name = encoder.partition(":")
    if family != "sentence-transformers":
        raise InputError(f"encoder {encoder}: this benchmark is for sentence-transformers:MODEL_OR_FOLDER")
    texts = phrases(labels)
    build_bank(texts[:1], encoder)  # a model that cannot be had shows now
    encoded: dict[str, np.ndarray] = {}

    def own() -> None:
        with tempfile.TemporaryDirectory() as folder:
            bank = build_bank(texts, encoder)
            bank.save(Path(folder) / "bank.safetensors")
            encoded["build_bank and save"] = np.array(bank.vectors)

    def model() -> None:
        encoded["model.encode"] = SentenceTransformer(name).encode(texts, show_progress_bar=False)

    sides = {"model.encode": model, "build_bank and save": own}
    seconds = interleaved(sides, rounds, progress)
    apart = float(np.abs(encoded["model.encode"] - encoded["build_bank and save"]).max())
    base = median(seconds["model.encode"])
    rows = [
        [side, f"{median(times):.1f}", f"{labels / median(times):,.0f}", f"{median(times) / base:.3f}"]
        for side, times in seconds.items()
    ]
    record = {"labels": labels, "seconds": seconds, "largest_difference": apart, "machine": machine()}
    title = f"Encoding {labels:,} label names, median of {rounds} rounds; vectors differ by {apart:.1e} at most"
    return Figures(title, ["", "seconds", "names/s", "ratio"], rows, record)


def interleaved(sides: Mapping[str, Callable[[], None]], rounds: int, progress: Progress) -> dict[str, list[float]]:
    """Seconds of each side in each round, both in turn."""
    progress("rounds", 0, rounds)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for done in range(rounds):
        # the order turns, so that neither side is always the one after the other
        for side in list(sides)[:: 1 if done % 2 == 0 else -1]:
            started = time.perf_counter()
            sides[side]()
            seconds[side].append(time.perf_counter() - started)
        progress("rounds", done + 1, rounds)
    return seconds


OWN = "from experiments.commands.main import app; app(sys.argv[1:], standalone_mode=False)"
PEER = """
import numpy as np
from gensim.models import KeyedVectors
names, path, out, kind = sys.argv[1:]
if kind == "kv":
    table = KeyedVectors.load(path, mmap="r")
else:
    table = KeyedVectors.load_word2vec_format(path, binary=kind == "binary")
np.save(out, table[open(names).read().split()])
"""
READ = "from embeddings import Bank; Bank.load(sys.argv[1]).select(sys.argv[2:])"
PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print("peak", line.split()[1])
"""


def bench_bank_memory(labels: int, width: int, progress: Progress) -> Figures:
    """`zsl bank build` from vector files of every name, and gensim doing the same; each in a process of its own."""
    matrix = labels * width * 4
    rows, measured = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _vector_files(folder, labels, width, progress)
        names = folder / "names.txt"
        for kind, path in files.items():
            bank, peer = folder / "bank.safetensors", folder / "peer.npy"
            # with and without the cache, which is a folder of its own here
            own = ["bank", "build", str(names), "--encoder", f"gensim:{path}", "--out", str(bank)]
            sides = {
                "gensim, numpy": (PEER, [str(names), str(path), str(peer), kind]),
                "zsl bank build": (OWN, own),
                "zsl bank build --no-cache": (OWN, [*own, "--no-cache"]),
                "zsl bank build --transform l2, texts cached": (OWN, [*own, "--transform", "l2"]),
            }
            for side, (code, arguments) in sides.items():
                bank.unlink(missing_ok=True)
                progress(f"{kind}: {side}", 0, 1)
                seconds, peak, _ = peak_of(code, arguments, folder / "cache")
                progress(f"{kind}: {side}", 1, 1)
                measured.append({"file": kind, "side": side, "seconds": seconds, "peak_bytes": peak})
                rows.append([kind, side, f"{seconds:.1f}", f"{peak / 1e9:.2f}", f"{peak / matrix:.2f}"])
            vectors = Bank.load(bank).vectors[:1000]  # of the last side: scaled to norm 1
            if not np.allclose(vectors, unit(read_array(peer, "gensim's vectors")[:1000]), atol=1e-6):
                raise RuntimeError(f"the vectors of {kind} differ from gensim's")
            peer.unlink()
        seconds, peak, _ = peak_of(READ, [str(bank), "name0", f"name{labels - 1}"], folder / "cache")
        measured.append({"file": "bank", "side": "Bank.load, select", "seconds": seconds, "peak_bytes": peak})
        rows.append(["bank", "Bank.load, select 2", f"{seconds:.1f}", f"{peak / 1e9:.2f}", f"{peak / matrix:.2f}"])
    title = f"A bank of {labels:,} x {width} float32, {matrix / 1e9:.2f} GB: peak memory of the whole process"
    record = {"labels": labels, "width": width, "matrix_bytes": matrix, "measured": measured, "machine": machine()}
    return Figures(title, ["file", "", "seconds", "peak GB", "peak / matrix"], rows, record)


def _vector_files(folder: Path, labels: int, width: int, progress: Progress) -> dict[str, Path]:
    """The same vectors in gensim's own format, word2vec's binary and its text.

    A thousand vectors, over and over, with a first number that no other has.
    """
    from gensim.models import KeyedVectors

    progress("vector files", 0, 3)
    rows = np.random.default_rng(0).normal(size=(min(1000, labels), width)).astype(np.float32).round(5)
    names = [f"name{row}" for row in range(labels)]
    (folder / "names.txt").write_text("\n".join(names) + "\n")
    keyed = KeyedVectors(width)
    keyed.key_to_index = {name: row for row, name in enumerate(names)}
    keyed.index_to_key = names
    keyed.vectors = np.resize(rows, (labels, width))
    keyed.vectors[:, 0] = np.arange(1, labels + 1) / 1e6
    files = {kind: folder / f"vectors.{kind}" for kind in ("kv", "binary", "text")}
    keyed.save(str(files["kv"]), sep_limit=0)
    numbers = [" ".join(map(str, row)) for row in rows[:, 1:].astype(np.float64).round(5).tolist()]
    with files["binary"].open("wb") as binary, files["text"].open("w") as text:
        binary.write(f"{labels} {width}\n".encode())
        text.write(f"{labels} {width}\n")
        for row, name in enumerate(names):
            binary.write(f"{name} ".encode() + keyed.vectors[row].tobytes() + b"\n")
            text.write(f"{name} {(row + 1) / 1e6} {numbers[row % len(rows)]}\n")
    progress("vector files", len(files), len(files))
    return files


def peak_of(code: str, arguments: Sequence[str], cache: Path) -> tuple[float, int, str]:
    """Seconds, peak resident bytes (from Linux's /proc) and output of a process that runs some Python."""
    started = time.perf_counter()
    # asked of the process itself: what wait4 tells counts the parent's memory at the fork
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
