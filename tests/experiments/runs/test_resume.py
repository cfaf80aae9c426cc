"""Runs that are killed and resumed end like runs that were not killed; two processes train like one."""

import json
import random
import resource
import signal
import time
from functools import partial

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.experiments.command import launched, refused, zsl
from tests.started import Started
from zsl.training.checkpoint import Checkpoints

FILES = ("readout.safetensors", "backbone.safetensors", "history.json", "config.json", "bank.safetensors")


@pytest.fixture
def options(photographs, tmp_path):
    """A small tuned backbone with augmentation, a moving average and shuffling."""
    config = tmp_path / "small.toml"
    config.write_text(
        f'[data]\nname = "csv"\nroot = "{photographs}"\nimage_size = 32\n'
        '[backbone]\nname = "resnet10t"\nlevel = 2\nmode = "tuned"\n'
        '[bank]\nencoder = "lexical:16"\n'
        "[decoder]\nwidth = 16\nffn = 16\ngroup_size = 2\ndropout = 0.1\nquery_noise = 0.1\n"
        '[augment]\nflip = true\npolicy = "randaugment"\ncutout = 0.5\n'
        "[train]\nepochs = 4\nema = 0.9\nbatch_size = 8\nvalidation = 0.2\ncheckpoint_steps = 2\nlr = 0.003\n"
        "random_queries = 3\nmixed_labels = 2\nlabel_dropout = 0.2\nvector_noise = 0.1\n"
        "[evaluate]\nbatch_size = 4\nk = [1]\n"
    )
    return config


def _finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def _same(one, two):
    for name in FILES:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_a_run_that_is_killed_five_times_ends_like_an_undisturbed_one(options, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    _finish(Started("train", options, "--out", whole))
    lasted = (whole / "run.json").stat().st_mtime - (whole / "begun.json").stat().st_mtime
    chance = random.Random(0)
    for _ in range(5):
        seen = (cut / "begun.json").is_file()
        process = Started("train", options, "--out", cut, "--resume")
        while not seen and not (cut / "begun.json").is_file() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.random() * lasted / 3)  # five of these are hardly a whole training
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _finish(Started("train", options, "--out", cut, "--resume"))
    _same(whole, cut)
    for run in (whole, cut):
        assert zsl("evaluate", run).exit_code == 0
    assert (whole / "metrics.json").read_bytes() == (cut / "metrics.json").read_bytes()
    assert not (cut / "checkpoint").exists()
    assert "is finished" in zsl("train", options, "--out", cut, "--resume").stdout


def test_the_pretraining_of_a_frozen_backbone_resumes(small, tmp_path):
    more = [*small, "--set", "backbone.pretrain.epochs=3", "--set", "train.epochs=3"]
    _finish(Started("train", "demo", "--out", tmp_path / "whole", *more))
    cut = tmp_path / "cut"
    for place in ("pretraining/checkpoint.safetensors", "checkpoint/checkpoint.safetensors"):
        process = Started("train", "demo", "--out", cut, *more, "--resume")
        while not (cut / place).is_file() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (cut / "run.json").exists()
    _finish(Started("train", "demo", "--out", cut, *more, "--resume"))
    _same(tmp_path / "whole", cut)


def _stop(run, options, *settings):
    """Leaves a run that was killed after its first checkpoint."""
    process = Started("train", options, "--out", run, *settings)
    while not (run / "checkpoint/checkpoint.safetensors").is_file() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_run_does_not_resume_with_another_config_or_other_data(options, photographs, tmp_path):
    run = tmp_path / "run"
    _stop(run, options, "--set", "train.epochs=40")
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    go_on = ("train", options, "--out", run, "--set", "train.epochs=40", "--resume")
    refused(zsl(*go_on[:-1]), "holds an unfinished run; continue it with --resume")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/bank.safetensors").write_bytes(b"mine")
    refused(zsl("train", options, "--out", tmp_path / "mine", "--resume"), "not empty and holds no run to continue")
    assert (tmp_path / "mine/bank.safetensors").read_bytes() == b"mine"
    other = zsl(*go_on, "--set", "train.lr=1e-4", "--set", "decoder.width=32")
    refused(other, "train.lr was 0.003, now 0.0001", "decoder.width was 16, now 32", "another folder")
    table = photographs / "data.csv"
    whole = table.read_text()
    table.write_text(whole.replace("red square", "blue disc", 1))
    refused(zsl(*go_on), "was started with other data", "restore them")
    table.write_text(whole)
    checkpoint = run / "checkpoint/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    refused(zsl(*go_on), "checkpoint.safetensors is damaged", "remove it")
    weights = torch.randn(3)
    state = {"done": 1, "history": {}, "loss": 0.0, "scaler": None, "schedule": {}, "groups": []}
    Checkpoints(run / "checkpoint").save({"model.other": weights}, state)
    refused(zsl(*go_on), "holds another training's checkpoint")
    torch.save({"weights": weights, "code": print}, checkpoint)
    refused(zsl(*go_on), "checkpoint.safetensors is damaged")
    after = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert {name for name in before if before[name] != after.get(name)} == {"checkpoint.safetensors"}


def test_a_full_disk_leaves_the_old_checkpoint(options, tmp_path):
    run = tmp_path / "run"
    _stop(run, options, "--set", "train.epochs=40")
    checkpoint = run / "checkpoint/checkpoint.safetensors"
    kept = checkpoint.read_bytes()

    go_on = ("train", options, "--out", run, "--resume", "--set", "train.epochs=40")
    done = Started(*go_on, first=partial(_limit_files, len(kept) // 2))
    _, errors = done.communicate()
    assert done.returncode in (1, 2)
    assert errors.count("\n") == 1, errors
    assert errors.startswith(f"error: File too large: {checkpoint}")
    assert checkpoint.read_bytes() == kept
    assert sorted(
        path.name for path in checkpoint.parent.iterdir() if path.name != "checkpoint-before.safetensors"
    ) == ["checkpoint.safetensors"]


def _limit_files(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_two_processes_train_and_measure_as_one(options, tmp_path):
    """33 training images in batches of 8: the last batch holds one, so that a process has none of its own."""
    settings = ["train.precision=fp32", "decoder.dropout=0", "train.validation=0.175", "decoder.query_noise=0"]
    settings += [f"train.{key}=0" for key in ("random_queries", "mixed_labels", "label_dropout", "vector_noise")]
    settings += ["backbone.mode=frozen", "backbone.cached=false", "train.clip=5.0"]
    more = [a for setting in settings for a in ("--set", setting)]
    assert zsl("train", options, "--out", tmp_path / "one", *more).exit_code == 0
    one = _as_trained(tmp_path / "one")
    for accumulate in (1, 3):
        run = tmp_path / f"two-{accumulate}"
        launched(2, "train", options, "--out", run, *more, "--set", f"train.accumulate={accumulate}")
        two = _as_trained(run)
        for name in one:
            torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-5)
        histories = [json.loads((folder / "history.json").read_text()) for folder in (tmp_path / "one", run)]
        assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], rel=1e-4)
    metrics = []
    for evaluated in (zsl, partial(launched, 2)):
        evaluated("evaluate", tmp_path / "two-3")
        written = tmp_path / "two-3/metrics.json"
        metrics.append(written.read_bytes())
        written.unlink()
    assert metrics[0] == metrics[1]


def _as_trained(run):
    """The weights; attention does not change with the keys' bias, whose gradient is rounding, scaled up by Adam."""
    weights = load_file(run / "readout.safetensors")
    weights["attention.in_proj_bias"][16:32] = 0
    return weights


def test_trackers_record_the_training(options, tmp_path):
    run = tmp_path / "run"
    assert zsl("train", options, "--out", run, "--set", 'train.trackers=["tensorboard"]').exit_code == 0
    files = [EventAccumulator(str(path)).Reload() for path in (run / "trackers").rglob("events.*")]
    tag = "train/seen validation mAP"
    (told,) = [events.Scalars(tag) for events in files if tag in events.Tags()["scalars"]]
    history = json.loads((run / "history.json").read_text())
    assert [event.value for event in told] == pytest.approx(history["validation_map"], abs=1e-6)
    refused(zsl("train", options, "--out", tmp_path / "x", "--set", 'train.trackers=["nobody"]'), "train.trackers")
