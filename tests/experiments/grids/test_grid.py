"""`zsl ablate GRID.toml` in one process: what is run, what is refused, and going on."""

import errno
import itertools
import json
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from embeddings.io.errors import InputError
from embeddings.io.settings import flat
from experiments.grids.driver import Driver
from experiments.grids.executors import Inline
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.grids.job import Outcome, disk_fault, outcome_of, perform_shared
from experiments.grids.run_queue import LONGEST, LOST, PATIENCE, Patience
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import FOUR, same_runs, write_grid, write_tokens


@pytest.fixture
def tokens(tmp_path):
    write_tokens(tmp_path)
    return tmp_path


def test_a_grid_is_the_product_of_its_axes(tokens):
    axes = 'decoder.query = ["text", "learnable", "random"]\n"decoder.width" = [16, 24]\ntrain.warmup = [0.1, 0.3]'
    tail = '[[exclude]]\ndecoder = {query = "random", width = 24}\n[[include]]\n"train.loss" = "bce"\n'
    grid = spec_grid(write_grid(tokens, axes, head="seeds = [3, 5]", tail=tail), None, [], None)
    product = itertools.product(("text", "learnable", "random"), (16, 24), (0.1, 0.3), ("asymmetric",))
    wanted = [*(one for one in product if one[:2] != ("random", 24)), ("text", 16, 0.2, "bce")]
    keys = ("decoder.query", "decoder.width", "train.warmup", "train.loss")
    expected = [(*one, seed) for seed in (3, 5) for one in wanted]
    found = [flat(run.config.model_dump()) for run in grid.runs]
    assert [tuple(one[key] for key in (*keys, "train.seed")) for one in found] == expected
    # each variant tells of every key that any of them changes
    assert grid.ablation.variants[0].axes == {"query": "text", "width": 16, "warmup": 0.1, "loss": "asymmetric"}
    assert grid.ablation.variants[-1].axes == {"query": "text", "width": 16, "warmup": 0.2, "loss": "bce"}
    assert grid.changes(grid.runs[1]) == {"train.warmup": 0.3}


def test_axes_that_end_alike_keep_their_whole_keys(tokens):
    grid = spec_grid(
        write_grid(tokens, "train.lr = [1e-3]\ntrain.batch_size = [8]\nevaluate.batch_size = [8]"), None, [], None
    )
    assert list(grid.ablation.variants[0].axes) == ["lr", "train.batch_size", "evaluate.batch_size"]


def test_sections_go_over_the_config(tokens):
    text = write_grid(tokens, "decoder.width = [16]", data='name = "corel5k"').read_text()
    (tokens / "grid.toml").write_text('backbone = "none"\n' + text.replace('config = "corel5k"', 'config = "demo"'))
    config = spec_grid(tokens / "grid.toml", None, ["train.lr=0.5"], None).config
    assert config.data.name == "corel5k"
    assert config.data.file == tokens / "regions.npz"
    assert config.backbone is None
    assert (config.decoder.ffn, config.train.lr) == (16, 0.5)


def test_axes_are_read_as_settings_are(tokens):
    axes = 'bank.oov = ["phrase,error", ["lower"]]\ntrain.clip = ["none", 5]\ntrain.trackers = ["tensorboard"]'
    grid = spec_grid(write_grid(tokens, axes, evaluate="batch_size = 7"), None, ["data.file=2024"], None)
    found = [(run.config.bank.oov, run.config.train.clip) for run in grid.runs]
    assert found == list(itertools.product((("phrase", "error"), ("lower",)), (None, 5.0)))
    assert grid.config.data.file == Path("2024")
    assert grid.configs[0].train.trackers == ("tensorboard",)


@pytest.mark.parametrize(
    ("axes", "more", "words"),
    [
        ('decoder.qurey = ["text"]', {}, ("unknown key 'decoder.qurey'", "did you mean 'query'")),
        ('qurey = ["text"]', {}, ("unknown axis 'qurey'", "decoder")),
        ('backbone.name = ["resnet10t"]', {}, ("axis 'backbone.name'", "no [backbone]")),
        ('decoder.width = ["wide"]', {}, ("decoder.width", "valid integer", "'wide'")),
        ("decoder.width = 16", {}, ("axis decoder.width = 16", "a list")),
        ("decoder.width = []", {}, ("axis decoder.width = []", "a list")),
        ("decoder.width = [0]", {}, ("decoder.width", "greater than or equal to 1")),
        ("", {}, ("no run is left", "[axes]")),
        ("decoder.width = [8]", {"tail": '[[exclude]]\n"decoder.width" = 8'}, ("no run is left",)),
        (
            "decoder.width = [8]",
            {"tail": '[[exclude]]\n"decoder.width" = 9'},
            ("exclude 1 (decoder.width = 9)", "no run"),
        ),
        ("decoder.width = [8, 16, 8]", {}, ("decoder.width = 8 stands twice",)),
        ("decoder.width = [8]", {"tail": '[[include]]\n"decoder.width" = 8'}, ("decoder.width = 8 stands twice",)),
        ("decoder.width = [8]", {"head": "seeds = [1, 1]"}, ("a seed twice",)),
        ("decoder.width = [8]", {"head": "seeds = 0"}, ("seeds = 0",)),
        ("decoder.width = [8]", {"head": "seeds = [-1]"}, ("seeds", "train.seed")),
        ("decoder.width = [8]", {"head": 'seeds = "all"'}, ("seeds", "'all'")),
        ("decoder.width = [8]", {"head": "seed = 3"}, ("unknown key 'seed'", "seeds")),
        ("decoder.width = [8]", {"head": "budget = {run = 3}"}, ("unknown key 'budget.run'",)),
        ("train.seed = [1, 2]", {}, ("train.seed is no axis", "seeds")),
        ("evaluate.k = [[1], [2]]", {}, ("evaluate.k changes the protocol inside one table",)),
        ('data.name = ["scenes"]', {}, ("data.name changes the protocol",)),
        (
            'data.split = ["SPLIT", "OTHER"]',
            {},
            ("data.split changes the protocol inside one table", "other seen labels"),
        ),
        ("decoder.group_size = [9]", {}, ("decoder.group_size = 9 is not between 1 and the 5 labels",)),
    ],
)
def test_bad_grids_end_in_one_line_before_anything_runs(tokens, axes, more, words):
    (tokens / "other.json").write_text(json.dumps({"train class": ["blue disc"], "test class": ["pink star"]}))
    axes = axes.replace("SPLIT", str(tokens / "split.json")).replace("OTHER", str(tokens / "other.json"))
    out = tokens / "out"
    refused(zsl("ablate", write_grid(tokens, axes, **more), "--out", out), *words)
    assert not out.exists()
    refused(zsl("ablate", tokens / "nowhere.toml", "--out", out), "no grid file", "nowhere.toml")


def test_the_same_test_in_another_size_is_one_protocol(tmp_path):
    grid = tmp_path / "sizes.toml"
    text = 'config = "demo"\naxes.data.KEY = [VALUES]\ndata = {train = 80, test = 60, image_size = 32}\n'
    grid.write_text(text.replace("KEY", "image_size").replace("VALUES", "32, 48"))
    shown = zsl("ablate", grid, "--dry-run", "--out", tmp_path / "out")
    assert "changes data.image_size = 48" in shown.stdout
    grid.write_text(text.replace("KEY", "seed").replace("VALUES", "0, 1"))
    refused(zsl("ablate", grid, "--dry-run", "--out", tmp_path / "out"), "data.seed changes the protocol")
    assert not (tmp_path / "out").exists()


def test_each_backbone_of_a_grid_reads_pictures_in_its_own_way(tmp_path):
    path = tmp_path / "grid.toml"
    axis = 'axes.backbone.name = ["tf_efficientnet_lite0", "inception_v4", "resnet50"]'
    path.write_text(f'config = "photographs"\n{axis}\n')
    grid = spec_grid(path, None, ["data.root=x"], 2)
    found = [(c.data.image_size, c.data.crop, c.backbone.mean[0]) for c in grid.configs]
    assert found == [(224, 0.875, 0.5), (299, 0.875, 0.5), (224, 0.95, 0.485)]
    assert [run.config.data.image_size for run in grid.runs] == [224, 299, 224] * 2
    assert grid.changes(grid.runs[1]) == {"backbone.name": "inception_v4", "data.image_size": 299}


def test_a_dry_run_shows_and_a_grid_goes_on(tokens):
    grid, out = write_grid(tokens, FOUR), tokens / "out"
    shown = zsl("ablate", grid, "--out", out, "--dry-run").stdout
    assert "runs/learnable-text-seed0 (new): changes decoder.query = 'learnable'" in shown
    assert not out.exists()
    assert zsl("ablate", grid, "--out", out).exit_code == 0
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


def test_a_grid_does_not_go_on_with_other_data(tokens):
    budget = {"head": "budget = {runs = 1}"}
    grid, out = write_grid(tokens, FOUR, **budget), tokens / "out"
    assert zsl("ablate", grid, "--out", out).exit_code == 0
    kept = json.loads((out / "results.json").read_text())
    with np.load(tokens / "regions.npz") as archive:
        content = dict(archive)
    content["X"][0] ^= 1
    np.savez(tokens / "regions.npz", **content)
    refused(zsl("ablate", write_grid(tokens, FOUR), "--out", out), "begun with other data", "restore them")
    assert json.loads((out / "results.json").read_text()) == kept


def test_failed_runs_keep_their_log_and_are_retried_on_demand(tokens):
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
    """A backbone that is trained first, an axis that the tokens do not depend on, one that they do."""
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


def test_faults_of_the_disk_are_waited_for_and_others_are_not():
    def wrapped(number):
        try:
            try:
                raise OSError(number, "told", "place")
            except OSError as error:
                raise InputError("output folder cannot be made") from error
        except InputError as error:
            return error

    for number in (errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO):
        assert disk_fault(wrapped(number)) == "told: place"
        assert outcome_of(wrapped(number)).kind == "waiting"
    assert disk_fault(wrapped(errno.ENOENT)) is None
    assert outcome_of(ValueError("no\nnumber")).message == "ValueError: no number"
    patience = Patience()
    waits = list(iter(patience.next, None))
    # 1 + 2 + ... + 32 = 63 s, then a minute each until half an hour is over: 63 + 29 * 60 = 1803
    assert waits == [1, 2, 4, 8, 16, 32] + [LONGEST] * 29
    assert sum(waits[:-1]) < PATIENCE <= sum(waits)


class Deadly:
    """An executor whose processes die at one run, whatever is done."""

    def __init__(self):
        self.tries = 0

    def slots(self):
        return 2

    def submit(self, job):
        future = Future()
        deadly = "text-learnable" in job.run
        self.tries += deadly
        future.set_result(Outcome(kind="lost", message="it died") if deadly else perform_shared(job))
        return future

    def collect(self, job, future):
        return future.result()

    def close(self):
        pass


def test_a_run_that_kills_its_process_is_given_up_and_the_others_are_not(tokens):
    grid = spec_grid(write_grid(tokens, FOUR), None, [], None)
    deadly, lines = Deadly(), []
    folder = GridFolder(tokens / "out", grid)
    ending = Driver(folder, lambda *_: None, lines.append, deadly).run()
    assert deadly.tries == LOST + 1
    assert ending.failed == {"runs/text-learnable-seed0": "it died"}
    assert len(folder.records()) == 3
    assert folder.reason(grid.runs[1]) == "it died"
