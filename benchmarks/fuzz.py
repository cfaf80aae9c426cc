"""Gives damaged files to every reader. Each must be read, or refused in one line, in bounded time and memory.

    python benchmarks/fuzz.py --inputs 100000 --seed 0 --out fuzz.json

An input is a small folder of one target with one file damaged (benchmarks/fuzzing). Two outcomes are fine:
"read", and "refused": an InputError or TrainingError of one line, or an error of the system that names a file. Faults
are any other exception, a message of several lines, the death of the process, more than 20 s, more than 1 GB, and
another result, without an error, from a damaged file that carries a hash. `--only N` repeats one input and shows its
traceback.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

SECONDS, GIGABYTE = 20, 1 << 30
FINE = ("read", "refused")
KINDS = (*FINE, "traceback", "lines", "hang", "memory", "silent", "died")


def choose(seed: int, index: int) -> tuple[np.random.Generator, float]:
    """The random generator of an input, and a number in [0, 1) that chooses its target."""
    rng = np.random.default_rng([seed, index])
    return rng, float(rng.random())


class Hang(BaseException):
    """More time than an input may take."""


class Reader:
    """Targets made once in a folder, each read with one file damaged at a time."""

    def __init__(self, folder: Path, seed: int, chosen: list[str]):
        import torch

        from benchmarks.fuzzing.targets import TARGETS

        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        self.folder, self.seed = folder, seed
        every = TARGETS
        unknown = set(chosen) - {target.name for target in every}
        if unknown:
            sys.exit(f"unknown targets {sorted(unknown)}; known: {', '.join(target.name for target in every)}")
        self.targets = [target for target in every if not chosen or target.name in chosen]
        shares = np.array([target.share for target in self.targets])
        self.ends = np.cumsum(shares) / shares.sum()
        self.made: dict[str, tuple[dict[Path, bytes], list[Path], dict[Path, str]]] = {}
        signal.signal(signal.SIGALRM, self._alarm)

    @staticmethod
    def _alarm(*_: object) -> None:
        raise Hang

    def _prepared(self, target: Any) -> tuple[dict[Path, bytes], list[Path], dict[Path, str]]:
        from benchmarks.fuzzing.target import cache_in, matching

        folder = self.folder / target.name.replace(" ", "_").replace(",", "")
        cache_in(folder)
        if target.name not in self.made:
            folder.mkdir(parents=True)
            target.state = target.make(folder)
            if target.keep_cache:
                target.read(folder, target.state, folder)
            content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            files = matching(folder, target.files)
            whole = {}
            for path in matching(folder, target.hashed):
                whole[path] = target.read(folder, target.state, path)
                self._restore(folder, content)
            assert files, f"{target.name} has no file to damage"
            self.made[target.name] = content, files, whole
        return self.made[target.name]

    @staticmethod
    def _restore(folder: Path, content: dict[Path, bytes]) -> None:
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_file() and path not in content:
                path.unlink()
        for path, value in content.items():
            if not path.is_file() or path.stat().st_size != len(value) or path.read_bytes() != value:
                path.parent.mkdir(parents=True, exist_ok=True)
                stamp = path.stat() if path.is_file() else None
                path.write_bytes(value)
                if stamp is not None:
                    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def run(self, index: int, begun: Callable[[dict[str, Any]], None], shown: bool = False) -> dict[str, Any]:
        """The outcome of an input; `begun` is called with its description before it is read."""
        from benchmarks.fuzzing.mutations import mutated
        from embeddings.io.errors import InputError, TrainingError

        rng, place = choose(self.seed, index)
        target = self.targets[int(np.searchsorted(self.ends, place, side="right"))]
        content, files, whole = self._prepared(target)
        path = files[int(rng.integers(len(files)))]
        damaged, what = mutated(rng, path, content[path])
        path.write_bytes(damaged)
        hashed = damaged != content[path] and any(path.match(pattern) for pattern in target.hashed)
        about = {"index": index, "target": target.name, "file": str(path.relative_to(self.folder)), "what": what[:300]}
        begun(about)
        before = _reset_peak()
        started, kind, told = time.monotonic(), "read", ""
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            found = target.read(_top(self.folder, target), target.state, path)
            if hashed and found != whole[path]:
                kind, told = "silent", "another result than that of the whole file"
        except (InputError, TrainingError) as error:
            kind, told = ("lines" if "\n" in str(error) else "refused"), str(error)
        except OSError as error:
            kind, told = ("refused" if error.strerror else "traceback"), f"{type(error).__name__}: {error}"
        except Hang:
            kind = "hang"
        except BaseException as error:
            kind, told = "traceback", f"{type(error).__name__}: {str(error)[:200]}"
            told += " @ " + " < ".join(
                f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[:-4:-1]
            )
            if shown:
                traceback.print_exc()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds, grown = time.monotonic() - started, _peak() - before
        if grown > GIGABYTE:
            kind, told = "memory", f"{grown / GIGABYTE:.2f} GB; {told}"
        self._restore(_top(self.folder, target), content)
        return about | {"kind": kind, "told": told[:400], "seconds": seconds, "bytes": grown}


def _top(folder: Path, target: Any) -> Path:
    return folder / target.name.replace(" ", "_").replace(",", "")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> int:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def work(pipe: Connection, folder: str, seed: int, chosen: list[str]) -> None:
    """A process that reads inputs by their numbers, as they are sent."""
    reader = Reader(Path(folder), seed, chosen)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    while (index := pipe.recv()) is not None:
        pipe.send(reader.run(index, pipe.send))


class Worker:
    """A process, and the input that it is reading."""

    def __init__(self, seed: int, chosen: list[str]):
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="fuzz-", dir=place)
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, self.folder, seed, chosen), daemon=True)
        self.process.start()
        theirs.close()
        self.index, self.started = -1, 0.0
        self.about: dict[str, Any] = {}

    def give(self, index: int | None) -> None:
        self.index, self.started = -1 if index is None else index, time.monotonic()
        self.pipe.send(index)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.folder, ignore_errors=True)


def fuzz(inputs: range, seed: int, workers: int, chosen: list[str]) -> list[dict[str, Any]]:
    """All results, in any order; a process that dies or hangs is replaced."""
    queue, results = list(inputs)[::-1], []
    pool: list[Worker] = []
    started = shown = time.monotonic()
    try:
        pool = [Worker(seed, chosen) for _ in range(workers)]
        for worker in pool:
            if queue:
                worker.give(queue.pop())
        while any(worker.index >= 0 for worker in pool):
            ready = wait([worker.pipe for worker in pool if worker.index >= 0], timeout=1)
            for place, worker in enumerate(pool):
                if worker.index < 0:
                    continue
                late = time.monotonic() - worker.started > 4 * SECONDS + (
                    120 if worker.index in inputs[:workers] else 0
                )
                if worker.pipe in ready or late:
                    try:
                        if late:
                            raise EOFError
                        told = worker.pipe.recv()
                        if "kind" not in told:
                            worker.about = told
                            continue
                        results.append(told)
                        if told["kind"] not in FINE:
                            print(json.dumps(told), flush=True)
                    except (EOFError, OSError):
                        worker.process.join(2 if not late else 0)
                        kind = "hang" if late else "died"
                        status = {"told": f"exit status {worker.process.exitcode}", "seconds": 0.0, "bytes": 0}
                        results.append(worker.about | {"index": worker.index, "kind": kind} | status)
                        print(json.dumps(results[-1]), flush=True)
                        worker.end()
                        pool[place] = worker = Worker(seed, chosen)
                    worker.index = -1
                    if queue:
                        worker.give(queue.pop())
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                faults = sum(result["kind"] not in FINE for result in results)
                print(f"{len(results)}/{len(inputs)}, {faults} faults ({shown - started:.0f} s)", flush=True)
    finally:
        for worker in pool:
            worker.end()
    return results


def table(results: list[dict[str, Any]]) -> str:
    """Counts by target and kind, in Markdown."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        counts[result["target"]][result["kind"]] += 1
    head = ["target", "inputs", *KINDS, "slowest, s", "most, MB"]
    rows = [head, ["---"] * len(head)]
    for name in [*sorted(counts), "all"]:
        own = [r for r in results if name in ("all", r["target"])]
        kinds = Counter(r["kind"] for r in own)
        most = [f"{max(r['seconds'] for r in own):.1f}", f"{max(r['bytes'] for r in own) / 1e6:.0f}"]
        rows.append([name, f"{len(own):,}", *(f"{kinds[kind]:,}" for kind in KINDS), *most])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Give damaged files to every reader.")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--target", action="append", default=[], help="one target; repeat it")
    parser.add_argument("--only", type=int, help="one input, with its traceback")
    parser.add_argument("--out", type=Path, help="a JSON file for the counts and the faults")
    options = parser.parse_args()
    if options.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            reader = Reader(Path(folder), options.seed, options.target)
            print(json.dumps(reader.run(options.only, lambda about: print(about, flush=True), shown=True), indent=1))
        return
    started = time.monotonic()
    inputs = range(options.first, options.first + options.inputs)
    results = fuzz(inputs, options.seed, options.workers, options.target)
    print(table(results))
    faults = [result for result in results if result["kind"] not in FINE]
    print(f"{len(results):,} inputs, {len(faults)} faults, {time.monotonic() - started:.0f} s")
    if options.out is not None:
        record = {"inputs": len(results), "seed": options.seed, "first": options.first, "faults": faults}
        options.out.write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
