"""Small grids, whose runs take a fraction of a second, as files and as processes."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np

from tests.names import SEEN, UNSEEN

RUN_FILES = ("metrics.json", "labels.csv", "readout.safetensors", "history.json", "config.json", "bank.safetensors")


def write_tokens(root):
    """A dataset of region tokens: 40 training and 20 test images, 5 seen and 3 unseen labels."""
    generator = np.random.default_rng(0)
    targets = generator.random((60, 8)) < 0.4
    targets[:, 0] = True
    names = np.array([*SEEN, *UNSEEN])
    present = np.packbits(generator.random((60, 16)) < 0.3, axis=1)
    np.savez(root / "regions.npz", X=present, Y=np.packbits(targets, axis=1), labels=names, n_train=40)
    (root / "split.json").write_text(json.dumps({"train class": SEEN, "test class": UNSEEN}))


def write_grid(root, axes, **more):
    """A grid's file over the tokens of `root`; `more` are lines by their place, "head" or a section."""
    sections = {
        "data": f'file = "{root}/regions.npz"\nsplit = "{root}/split.json"',
        "decoder": "width = 16\nffn = 16",
        "bank": 'encoder = "lexical:16"',
        "train": 'epochs = 1\nprecision = "fp32"',
        "evaluate": "k = [1]\nbootstrap = 10",
    }
    head = f'config = "corel5k"\n{more.get("head", "")}\n[axes]\n{axes}\n'
    body = "\n".join(f"[{name}]\n{text}\n{more.get(name, '')}" for name, text in sections.items())
    path = root / "grid.toml"
    path.write_text(head + body + "\n" + more.get("tail", ""))
    return path


def own_experiments(folder):
    """Makes a folder a working directory of a user with a package `experiments` of their own, and returns it."""
    (folder / "experiments").mkdir()
    (folder / "experiments/__init__.py").write_text("raise SystemExit('not the toolkit')\n")
    return folder


RUNS = 16  # 4 variants, 4 seeds
FOUR = 'decoder.query = ["text", "learnable"]\ndecoder.head = ["text", "learnable"]'


def finished(process, status=0):
    """Waits for a process to end with a status, and returns its output."""
    output, errors = process.communicate()
    assert process.returncode == status, output + errors
    return output + errors


def until(condition, process, seconds=300):
    """Waits until a condition holds, while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def done(out):
    """How many runs of a grid are finished."""
    return len(list(out.glob("runs/*/metrics.json")))


def workers(process):
    """The process ids of a driver's workers; after the driver has ended, also of the server that forks them."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        pid, parent, session = int(status.parent.name), int(told[1]), int(told[3])
        forked = b"multiprocessing.forkserver" in command and process.pid not in (pid, parent)
        if session == process.pid and forked and told[0] != "Z":
            found.append(pid)
    return found


def left(found):
    """What `found()` still lists a minute later, or as soon as it lists nothing."""
    end = time.monotonic() + 60
    while found() and time.monotonic() < end:
        time.sleep(0.05)
    return found()


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def same_runs(one, two, count):
    """Checks that two grids' folders hold the same runs, bit for bit, and the same results."""
    names = sorted(path.name for path in (one / "runs").iterdir())
    assert len(names) == count
    for name in names:
        for file in RUN_FILES:
            assert (one / "runs" / name / file).read_bytes() == (two / "runs" / name / file).read_bytes(), name
    told = [json.loads((folder / "results.json").read_text()) for folder in (one, two)]
    by_run = [{record["run"]: record for record in records} for records in told]
    assert len(told[0]) == count
    assert all(by_run[1][name] == record for name, record in by_run[0].items())


def same_part(out, whole, count):
    """Checks that a grid's folder holds `count` of another's runs, bit for bit."""
    runs = list((out / "runs").iterdir())
    assert len(runs) == count
    for run in runs:
        for file in RUN_FILES:
            assert (run / file).read_bytes() == (whole / "runs" / run.name / file).read_bytes(), run.name
