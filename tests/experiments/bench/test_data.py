"""The benchmarks of datasets at small size."""

import json

import numpy as np

from experiments.bench import nus_wide as bench_nus_wide
from tests.experiments.command import refused, zsl


def test_tokens_against_the_backbone_in_the_loop(small, tmp_path):
    # bf16 on both sides: float32 of the backbone in the loop is more than the tokens on disk hold
    options = (*small, "--set", "train.precision=bf16")
    result = zsl("bench", "tokens", "--config", "demo", *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    measured = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert len(measured) == 4
    assert all(one["largest_difference"] < 1e-3 for one in measured)
    refused(zsl("bench", "tokens", "--config", "corel5k"), "is for [backbone]", "frozen")


def test_the_training_loop_against_bare_steps(small, tmp_path):
    result = zsl("bench", "step", "--config", "demo", *small, "--rounds", 2, "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "f.json").read_text())
    assert {side: len(times) for side, times in record["seconds"].items()} == {"bare loop": 2, "zsl.training.loop": 2}
    tuned = ("--set", "backbone.mode=tuned")
    refused(zsl("bench", "step", "--config", "demo", *small, *tuned), "a frozen backbone, or a dataset of tokens")


def test_the_loader_against_bare_decoding(photographs, tmp_path):
    options = ("--rounds", 1, "--images", 12, "--batch-size", 5)
    own = ("--config", "photographs", "--set", f"data.root={photographs}", "--set", "data.image_size=24")
    for config in ((), own):
        out = tmp_path / f"{len(config)}.json"
        assert zsl("bench", "loader", *options, *config, "--out", out).exit_code == 0
        record = json.loads(out.read_text())
        assert record["images"] == 12
        assert all(len(times) == 1 for times in record["seconds"].values())
    refused(zsl("bench", "loader", "--config", "demo"), "for a dataset of image files")


def test_nus_wide_is_opened_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_nus_wide, "IMAGES", 300)
    monkeypatch.setattr(bench_nus_wide, "TEST", 120)
    generator = np.random.default_rng(0)
    labels = generator.random((300, 5)) < 0.3
    concepts = np.array(["sky", "sea", "cat", "dog", "sun"])
    truth = {"labels_packed": np.packbits(labels, axis=1), "concepts": concepts, "test_rows": np.arange(120) * 2}
    np.savez(tmp_path / "truth.npz", **truth)
    options = ("--images", 40, "--truth", tmp_path / "truth.npz", "--out", tmp_path / "f.json")
    assert zsl("bench", "nus-wide", *options).exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert record["ground_truth"]["test_positives"] == int(labels[:240:2].sum())
    assert [one["opening"] for one in record["measured"]] == ["first", "second"]
    (tmp_path / "x.npz").write_bytes(b"")
    refused(zsl("bench", "nus-wide", "--truth", tmp_path / "x.npz"), "x.npz cannot be read as NUS-WIDE's annotation")


def test_metrics_agree_with_their_peers(tmp_path):
    options = ("--images", 900, "--labels", 53, "--growth", 50, "--growth", 500, "--rounds", 1)
    result = zsl("bench", "metrics", *options, "--out", tmp_path / "f.json")
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
    result = zsl("bench", "intervals", *options, "--out", tmp_path / "f.json")
    assert result.exit_code == 0
    (one,) = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert 0 <= one["held"] <= 6
    assert 0 < one["expected_map"] < 1
