"""`zsl select` as a user meets it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.config.reading import load_config
from experiments.grids.driver import Driver
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.runs.measurement import SCORES
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_grid, write_tokens
from tests.names import SEEN
from tests.zsl.poison import poison
from zsl.data.layouts.corel5k import Corel5kConfig
from zsl.evaluation.saved_scores import load_scores

AXES = 'decoder.kind = ["eszsl", "gap-text", "ml-decoder"]'
OPTIONS = ("--folds", 2, "--set", "train.validation=0.5", "--set", "decoder.group_size=2")


@pytest.fixture(scope="module")
def selected(tmp_path_factory):
    """The folder of a selection whose test part could not be read, its grid, and what it printed."""
    root = tmp_path_factory.mktemp("select")
    write_tokens(root)
    grid, load = write_grid(root, AXES), Corel5kConfig.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSL_CACHE", str(root / "cache"))
        patch.setattr(Corel5kConfig, "load", lambda self: replace(load(self), test=poison()))
        one = zsl("select", grid, "--out", root / "out", *OPTIONS, "--use", 1)
        assert "1 of 2 folds of the 5 seen labels were held out" in one.stdout.replace("\n", " ")
        assert len(list((root / "out").glob("runs/*/metrics.json"))) == 3
        result = zsl("select", grid, "--out", root / "out", *OPTIONS)
    assert result.exit_code == 0, result.output
    return root / "out", grid, result.output


def test_the_test_part_is_not_read_and_every_label_is_held_out_once(selected):
    out, _, told = selected
    assert f"now: zsl train {out}/chosen.toml" in told.replace("\n", "")
    found = json.loads((out / "selection.json").read_text())
    singles = [one for one in found["candidates"] if len(one["members"]) == 1]
    assert sorted((one["members"][0], one["how"]) for one in singles) == [
        (variant, how) for variant in range(3) for how in ("image", "none")
    ]
    assert {tuple(one["members"]) for one in found["candidates"] if len(one["members"]) == 2} == {
        (0, 1),
        (0, 2),
        (1, 2),
    }
    values = [one["unseen"] for one in found["candidates"]]
    assert values == sorted(values, reverse=True)
    tests = [load_scores(out / f"runs/eszsl-{fold}-seed0" / SCORES).test for fold in (0, 1)]
    assert sorted(name for test in tests for name in test.unseen) == sorted(SEEN)
    assert all(len(test.targets) == 20 for test in tests)
    assert "eszsl" in (out / "selection.md").read_text()


def test_the_ranking_is_that_of_saved_scores(selected):
    from sklearn.metrics import average_precision_score

    out, _, _ = selected
    found = json.loads((out / "selection.json").read_text())["candidates"]
    (plain,) = [one for one in found if one["members"] == [2] and one["how"] == "none"]
    ap = []
    for fold in (0, 1):
        saved = load_scores(out / f"runs/ml-decoder-{fold}-seed0" / SCORES)
        truth = saved.test.targets.dense()[:, len(saved.test.seen) :]
        ap += [average_precision_score(truth[:, n], saved.scores["zsl"][:, n]) for n in range(truth.shape[1])]
    assert plain["unseen"] == pytest.approx(np.mean(ap), rel=1e-6)


def test_a_selection_continues_and_ranks_anew(selected):
    out, grid, _ = selected
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.json")}
    assert len(before) == 6
    result = zsl("select", grid, "--out", out, *OPTIONS, "--blend", 1, "--criterion", "seen")
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.json")} == before
    found = json.loads((out / "selection.json").read_text())
    assert len(found["candidates"]) == 6
    assert found["candidates"][0]["seen"] == max(one["seen"] for one in found["candidates"])
    best = found["candidates"][0]
    chosen = load_config(str(out / "chosen.toml"), [])
    assert chosen.decoder.kind == ("eszsl", "gap-text", "ml-decoder")[best["members"][0]]
    assert (chosen.evaluate.normalise, chosen.train.validation, chosen.held_out) == (best["how"], 0.5, None)
    refused(zsl("select", grid, "--out", out, "--folds", 3, *OPTIONS[2:]), "holds another grid", "choose another --out")


def test_the_check_compares_with_test_results(selected, tmp_path):
    out, grid, _ = selected
    runs, settings = tmp_path / "runs", [one for one in OPTIONS[2:] if one != "--set"]
    folder = GridFolder(runs, spec_grid(grid, None, settings, 2))
    assert Driver(folder, lambda *_: None, lambda _: None, keep="both").run().failed == {}
    result = zsl("select", grid, "--out", out, *OPTIONS, "--check", runs)
    assert result.exit_code == 0, result.output
    rows = json.loads((out / "check.json").read_text())["rules"]
    assert len(rows) == 15
    metrics = {path.parent.name: json.loads(path.read_text())["metrics"] for path in runs.glob("runs/*/metrics.json")}
    kinds = ("eszsl", "gap-text", "ml-decoder")
    maps = [np.mean([metrics[f"{kind}-seed{seed}"]["zsl/map"] for seed in (0, 1)]) for kind in kinds]
    oracle = rows[4]
    assert (oracle["rule"], oracle["correlation"], oracle["regret"]) == ("best on test", pytest.approx(1), 0)
    assert oracle["unseen"] == pytest.approx(max(maps), rel=1e-6)
    for row in rows[:4]:
        assert row["unseen"] == pytest.approx(max(maps) - row["regret"], rel=1e-6)
    assert rows[-1]["unseen"] >= rows[9]["unseen"] >= oracle["unseen"]
    (runs / "runs/eszsl-seed0/scores/test.npz").unlink()
    refused(zsl("select", grid, "--out", out, *OPTIONS, "--check", runs), "holds no saved scores")
    refused(zsl("select", grid, "--out", out, *OPTIONS, "--check", tmp_path / "no"), "no", "is no folder of zsl ablate")


def test_what_cannot_be_selected_is_one_line(selected, tmp_path):
    grid = selected[1]
    write_tokens(tmp_path)

    def other(axes, *options):
        return zsl("select", write_grid(tmp_path, axes), "--out", tmp_path / "out", *options)

    refused(other('decoder.kind = ["eszsl"]'), "has one variant, so there is nothing to select")
    refused(other("train.validation = [0.3, 0.5]"), "changes train.validation, which all variants")
    refused(other(AXES, "--use", 6), "--use 6 is more than --folds 5")
    refused(other(AXES, "--folds", 6), "5 seen labels cannot be divided into 6 folds")
    refused(other(AXES, "--set", "held_out.fold=0"), "has [held_out], which zsl select sets itself")
    refused(other("held_out.fold = [0, 1]"), "held_out")
    assert not (tmp_path / "out").exists()
    refused(zsl("select", grid, "--out", grid.parent), "choose another --out")


def test_tokens_of_a_frozen_backbone_are_computed_once(config, photographs, tmp_path, monkeypatch):
    """For all folds, and not of test pictures."""
    for number in range(40, 60):
        (photographs / "images" / f"{number}.jpg").write_bytes(b"no picture")
    from zsl.runs import source

    parts, extract = [], source.extract_tokens
    monkeypatch.setattr(source, "extract_tokens", lambda *a: parts.append(len(a[1].targets)) or extract(*a))
    grid = tmp_path / "grid.toml"
    grid.write_text(f'config = "{config}"\n[axes]\ndecoder.kind = ["eszsl", "conse"]\n')
    options = ("--set", "backbone.mode=frozen", "--set", "decoder.kind=eszsl", "--folds", 2, "--blend", 1)
    result = zsl("select", grid, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert parts == [28, 12]
