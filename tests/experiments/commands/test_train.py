"""`zsl train` and `zsl evaluate` as a user meets them: whole runs at small size, and bad input."""

import json

import numpy as np
import pytest

from embeddings.banks.build import build_bank
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_tokens
from tests.names import SEEN, UNSEEN


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_train_then_evaluate_through_a_frozen_backbone(frozen, tmp_path, precision):
    run = tmp_path / "run"
    precise = ("--set", f"train.precision={precision}")
    assert zsl("train", "photographs_groups", "--out", run, *frozen, *precise).exit_code == 0
    assert not (run / "metrics.json").exists()  # the test set is not looked at before evaluate
    assert zsl("evaluate", run).exit_code == 0
    first = (run / "metrics.json").read_bytes()
    assert zsl("evaluate", run).exit_code == 0
    assert (run / "metrics.json").read_bytes() == first
    protocol = json.loads(first)["protocol"]
    assert protocol["images"] == 20
    counts = {name: count for name, (count, _) in protocol["labels"].items()}
    assert counts == {"zsl": len(UNSEEN), "gzsl": len(SEEN) + len(UNSEEN), "seen": len(SEEN)}


def test_train_with_a_tuned_backbone(tuned, tmp_path):
    config, options = tuned
    assert zsl("train", config, "--out", tmp_path / "run", *options).exit_code == 0
    assert (tmp_path / "run" / "backbone.safetensors").is_file()
    assert zsl("evaluate", tmp_path / "run").exit_code == 0


def test_a_last_batch_of_one_image_is_refused_before_anything_is_written(tuned, tmp_path):
    config, options = tuned
    settings = ("--set", "backbone.level=4", "--set", "train.batch_size=35")  # of 36 training images
    result = zsl("train", config, "--out", tmp_path / "run", *options, *settings)
    refused(result, "train.batch_size=35 leaves a single image of 36", "train.batch_size=34")
    assert not (tmp_path / "run").exists()


def test_a_run_that_diverges_ends_in_one_line(frozen, tmp_path):
    result = zsl("train", "photographs_groups", "--out", tmp_path / "run", *frozen, "--set", "train.lr=1e30")
    assert result.exit_code == 1
    assert "lower train.lr" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run/run.json").exists()  # what was begun stays


def test_region_tokens_need_no_backbone(tmp_path):
    generator = np.random.default_rng(0)
    targets = generator.random((60, 8)) < 0.4
    targets[:, 0] = True
    names = np.array([*SEEN, *UNSEEN])
    present = np.packbits(generator.random((60, 16)) < 0.3, axis=1)
    np.savez(tmp_path / "r.npz", X=present, Y=np.packbits(targets, axis=1), labels=names, n_train=40)
    (tmp_path / "split.json").write_text(json.dumps({"train class": SEEN, "test class": UNSEEN}))
    settings = (
        f"data.file={tmp_path}/r.npz",
        f"data.split={tmp_path}/split.json",
        "decoder.width=16",
        "train.epochs=1",
        "evaluate.k=[1]",
    )
    options = [argument for setting in settings for argument in ("--set", setting)]
    assert zsl("train", "corel5k", "--out", tmp_path / "run", *options).exit_code == 0
    assert zsl("evaluate", tmp_path / "run").exit_code == 0


def test_bad_input_before_training_writes_nothing(frozen, photographs, tmp_path):
    out = tmp_path / "out"

    def train(*settings):
        extra = [argument for setting in settings for argument in ("--set", setting)]
        return zsl("train", "photographs_groups", "--out", out, *frozen, *extra)

    refused(train("train.epoch=1"), "unknown key 'train.epoch'", "did you mean 'epochs'")
    build_bank(SEEN, "lexical:16").save(tmp_path / "small.safetensors")
    refused(train(f"bank.file={tmp_path / 'small.safetensors'}"), "no vector", "'pink star'", "small.safetensors")
    refused(train("decoder.group_size=9"), "decoder.group_size = 9 is not between 1 and the 5 labels")
    refused(train("data.train=val"), "the test rows would be trained on")
    rows = (photographs / "data.csv").read_text().splitlines()
    (photographs / "data.csv").write_text("\n".join([rows[0], 'images/0.jpg,"[red]",train', *rows[2:]]))
    refused(train(), "data.csv:2: unknown label 'red'")
    (photographs / "data.csv").write_text("\n".join(rows))
    (photographs / "images" / "7.jpg").write_bytes(b"no picture")
    refused(train(), "7.jpg does not decode", "set data.exclude=FILE")
    refused(zsl("ablate", "table8", "--config", "photographs_groups", "--out", out, *frozen), "7.jpg does not decode")
    # a test image too, before anything is written
    (photographs / "images" / "7.jpg").write_bytes((photographs / "images" / "8.jpg").read_bytes())
    (photographs / "images" / "45.jpg").write_bytes(b"no picture")
    refused(zsl("ablate", "table8", "--config", "photographs_groups", "--out", out, *frozen), "45.jpg does not decode")
    assert not out.exists()


def test_data_and_a_bank_are_config_enough(tmp_path):
    """Two unseen labels, fewer than K; 6 seen ones, fewer than the paper's groups; everything else by default."""
    write_tokens(tmp_path)
    (tmp_path / "split.json").write_text(json.dumps({"train class": [*SEEN, UNSEEN[0]], "test class": UNSEEN[1:]}))
    config, run = tmp_path / "mine.toml", tmp_path / "run"
    config.write_text(
        f'[data]\nname = "corel5k"\nfile = "{tmp_path}/regions.npz"\nsplit = "{tmp_path}/split.json"\n'
        '[bank]\nencoder = "lexical:16"\n'
    )
    trained = zsl("train", config, "--out", run, "--set", "train.epochs=1")
    assert trained.exit_code == 0
    assert "note: zsl ranks 2 labels, too few for F1@3, F1@5 (evaluate.k)." in trained.stdout
    tested = zsl("evaluate", run)
    assert tested.exit_code == 0
    assert "zsl ranks 2 labels, too few for F1@3, F1@5 (evaluate.k)." in tested.stdout
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert {"zsl/map", "gzsl/f1@5", "seen/f1@3"} < metrics.keys()
    assert "zsl/f1@3" not in metrics
    refused(zsl("train", config, "--out", tmp_path / "b", "--set", "decoder.num_groups=7"), "decoder.num_groups = 7 is")
    refused(zsl("train", config, "--out", tmp_path / "b", "--set", "decoder.width=1000000"), "decoder.width = 1000000")
    assert not (tmp_path / "b").exists()


def test_a_run_is_not_tested_with_what_does_not_fit_it(frozen, photographs, tmp_path):
    run = tmp_path / "run"
    assert zsl("train", "photographs_groups", "--out", run, *frozen).exit_code == 0
    build_bank(SEEN + UNSEEN, "lexical:24").save(tmp_path / "wide.safetensors")
    refused(zsl("evaluate", run, "--bank", tmp_path / "wide.safetensors"), "vectors of size 24", "size 16")
    build_bank(SEEN, "lexical:16").save(tmp_path / "few.safetensors")
    refused(zsl("evaluate", run, "--bank", tmp_path / "few.safetensors"), "'pink star'", "few.safetensors")
    refused(zsl("evaluate", tmp_path), "is not a finished run")
    refused(
        zsl("evaluate", run, "--set", "decoder.width=8"),
        "takes only data.*, evaluate.*, backbone.weights and",
    )
    split = photographs / "split.json"
    whole = split.read_text()
    split.write_text(json.dumps({"train class": SEEN[::-1], "test class": UNSEEN}))
    refused(zsl("evaluate", run), "the seen labels of photographs are not those")
    split.write_text(whole)
    readout = run / "readout.safetensors"
    readout.write_bytes(readout.read_bytes()[:-10])
    refused(zsl("evaluate", run), "readout.safetensors is damaged")
    assert not (run / "metrics.json").exists()


def test_a_run_that_is_interrupted_says_how_to_continue(frozen, tmp_path, monkeypatch):
    run = tmp_path / "a run"

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.runs.train.train", interrupted)
    stopped = zsl("train", "photographs", "--out", run, "--set", "data.root=a b")
    assert (stopped.exit_code, stopped.stderr.count("\n")) == (130, 1)
    assert "nothing was trained yet; give the same command again" in stopped.stderr
    run.mkdir()
    (run / "begun.json").touch()
    stopped = zsl("train", "photographs", "--out", run, "--set", "data.root=a b")
    assert stopped.exit_code == 130
    assert stopped.stderr == (
        f"stopped; continue with: zsl train photographs --out '{run}' --set 'data.root=a b' --resume\n"
    )
