"""`zsl ablate GRID.toml` in one process: which runs it starts, continues, fails and leaves, and what they share."""

import json

import numpy as np

from experiments.grids.driver import Driver
from experiments.grids.executors import Inline
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.grids.job import perform_shared
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import FOUR, same_runs, write_grid


def test_a_dry_run_prints_the_runs_and_a_grid_continues(tokens):
    grid, out = write_grid(tokens, FOUR), tokens / "out"
    shown = zsl("ablate", grid, "--out", out, "--dry-run").stdout
    assert "runs/learnable-text-seed0 (new): changes decoder.query = 'learnable'" in shown
    assert not out.exists()
    assert zsl("ablate", grid, "--out", out, "--save-scores").exit_code == 0
    assert len(list(out.glob("runs/*/scores/test.npz"))) == 4
    records = json.loads((out / "results.json").read_text())
    assert [record["variant"] for record in records] == [
        {"query": query, "head": head} for query in ("text", "learnable") for head in ("text", "learnable")
    ]
    run = out / records[1]["run"]
    before, tested = (run / "metrics.json").read_bytes(), (run / "readout.safetensors").stat().st_mtime_ns
    others = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.json") if path.parent != run}
    (run / "metrics.json").unlink()
    assert "text-learnable-seed0 (begun)" in zsl("ablate", grid, "--out", out, "--dry-run").stdout
    assert zsl("ablate", grid, "--out", out).exit_code == 0
    assert (run / "metrics.json").read_bytes() == before
    assert (run / "readout.safetensors").stat().st_mtime_ns == tested  # it was tested again, not trained
    assert all(path.stat().st_mtime_ns == when for path, when in others.items())
    assert json.loads((out / "results.json").read_text()) == records
    other = zsl("ablate", grid, "--out", out, "--set", "decoder.width=24", "--set", "train.workers=1")
    refused(other, "holds another grid", "decoder.width was 16, now 24", "choose another --out")
    assert "train.workers" not in other.stderr
    refused(zsl("ablate", grid, "--out", out, "--seeds", 2), "runs/text-text-seed1 is new")
    assert zsl("evaluate", run).exit_code == 0  # alone, as a run of zsl train
    assert (run / "metrics.json").read_bytes() == before


def test_a_grid_does_not_continue_with_other_data(tokens):
    budget = {"head": "budget = {runs = 1}"}
    grid, out = write_grid(tokens, FOUR, **budget), tokens / "out"
    assert zsl("ablate", grid, "--out", out).exit_code == 0
    kept = json.loads((out / "results.json").read_text())
    with np.load(tokens / "regions.npz") as archive:
        content = dict(archive)
    content["X"][0] ^= 1
    np.savez(tokens / "regions.npz", **content)
    refused(zsl("ablate", write_grid(tokens, FOUR), "--out", out), "started with other data", "restore them")
    assert json.loads((out / "results.json").read_text()) == kept


def test_failed_runs_keep_their_log_and_are_run_again_if_asked_for(tokens):
    grid, out = write_grid(tokens, "train.lr = [1e30, 1e-3]"), tokens / "out"
    result = zsl("ablate", grid, "--out", out)
    assert result.exit_code == 1
    assert "1 of 2 runs failed" in result.stderr
    assert "--retry-failed" in result.stderr
    assert result.stderr.count("\n") == 1
    (log,) = (out / "failed").iterdir()
    assert "lower train.lr" in log.read_text().splitlines()[0]
    assert "Traceback" in log.read_text()
    assert [record["variant"] for record in json.loads((out / "results.json").read_text())] == [{"lr": 0.001}]
    told = log.stat().st_mtime_ns
    assert zsl("ablate", grid, "--out", out).exit_code == 1
    assert log.stat().st_mtime_ns == told
    assert zsl("ablate", grid, "--out", out, "--retry-failed").exit_code == 1
    assert log.stat().st_mtime_ns > told


def test_what_is_beyond_the_budget_is_listed(tokens):
    budget, out = "seeds = 2\nbudget = {runs = 5}", tokens / "out"
    result = zsl("ablate", write_grid(tokens, FOUR, head=budget), "--out", out)
    assert result.exit_code == 0
    assert "beyond the budget, not run: runs/text-learnable-seed1" in result.stdout
    assert len(json.loads((out / "results.json").read_text())) == 5
    rows = [line for line in result.stdout.splitlines() if line.startswith("│ ")]
    assert len(rows) == 2  # the one variant that is whole over both seeds, and chance
    no_time = write_grid(tokens, FOUR, head="seeds = 2\nbudget = {hours = 1e-12}")
    assert "not run: " in zsl("ablate", no_time, "--out", out).stdout
    assert len(json.loads((out / "results.json").read_text())) == 5
    assert zsl("ablate", write_grid(tokens, FOUR, head="seeds = 2"), "--out", out).exit_code == 0
    assert len(json.loads((out / "results.json").read_text())) == 8


def test_what_runs_share_is_the_same_from_memory_and_from_the_disk(small, tmp_path):
    """A pretrained backbone, one axis that changes the tokens, and one that does not."""
    path = tmp_path / "grid.toml"
    path.write_text('config = "demo"\n[axes]\ndecoder.head = ["text", "shared"]\n')
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    assert zsl("ablate", path, "--out", memory, *small).exit_code == 0
    grid = spec_grid(path, None, small[1::2], None)
    driver = Driver(GridFolder(disk, grid), lambda *_: None, lambda _: None, Inline(perform_shared))
    assert driver.run().failed == {}
    same_runs(memory, disk, 2)
    assert not list((memory / "shared").glob("*/tokens"))
    assert (memory / "baseline.json").read_bytes() == (disk / "baseline.json").read_bytes()
    run = memory / "runs/text-seed0"
    before = (run / "metrics.json").read_bytes()
    assert zsl("evaluate", run).exit_code == 0
    assert (run / "metrics.json").read_bytes() == before
    entries = [f'[[include]]\nbackbone.level = {n}\ntrain.precision = "{p}"\n' for n, p in ((2, "fp32"), (3, "bf16"))]
    path.write_text('config = "demo"\n' + "".join(entries))
    assert zsl("ablate", path, "--out", tmp_path / "several", *small).exit_code == 0
    assert len(list((tmp_path / "several/shared").iterdir())) == 2
