"""`zsl threshold` as a user meets it."""

import json

import pytest

from tests.experiments.command import refused, zsl
from zsl.evaluation.decisions import with_decisions
from zsl.evaluation.measures import measure
from zsl.evaluation.saved_scores import load_scores
from zsl.prediction.thresholds import Thresholds


def test_thresholds_are_chosen_and_measured(regions, tmp_path, monkeypatch):
    run = tmp_path / "run"
    members = 'decoder.members=[{kind = "eszsl"}, {kind = "conse", rates = [3, 10]}]'
    settings = ("decoder.kind=blend", members, "evaluate.bootstrap=20", "train.validation=0.3")
    options = [argument for setting in settings for argument in ("--set", setting)]
    assert zsl("train", "corel5k", *regions, *options, "--out", run).exit_code == 0
    refused(zsl("threshold", run, "--share", 0.01), "makes 0 of 5 seen labels unseen; give another --share")
    with monkeypatch.context() as patch:
        patch.setattr("experiments.runs.thresholds.choose", _stopped)
        assert zsl("threshold", run).exit_code == 130
    assert not (run / "thresholds.json").exists()
    assert len(list((run / "folds").glob("*/run.json"))) == 2

    monkeypatch.setattr("experiments.runs.folds.train_run", _stopped)  # both models are there
    by_image = ("--set", "evaluate.normalise=image")
    result = zsl("threshold", run, "--least", 10, *by_image)
    assert result.exit_code == 0, result.output
    now = f"now: zsl evaluate {run} {' '.join(by_image)}"
    for words in ("seen labels", "treated as seen", "5 labels have 10 positives or more", now):
        assert words in result.stdout
    chosen = Thresholds.load(run / "thresholds.json")
    assert chosen.seen != chosen.unseen
    assert chosen.normalise == "image"
    assert (run / "reliability.png").is_file()
    assert not (run / "folds").exists()

    result = zsl("evaluate", run)
    assert "At chosen thresholds" in result.stdout
    after = json.loads((run / "metrics.json").read_text())
    assert after["protocol"]["thresholds"]["unseen"] == chosen.unseen.threshold
    assert (after["protocol"]["normalise"], after["protocol"]["thresholds"]["normalise"]) == ("none", "image")
    found = after["metrics"]
    assert found["zsl/f1@threshold"] == found["gzsl/f1_unseen@threshold"]
    assert found["gzsl/f1_seen@threshold"] > 0.8  # regions tell these labels
    assert found["gzsl/ece_seen"] < found["gzsl/ece_plain_seen"]
    low, high = after["intervals"]["gzsl/macro_f1_unseen@threshold"]
    assert low <= found["gzsl/macro_f1_unseen@threshold"] <= high
    (run / "thresholds.json").write_text("{}")
    refused(zsl("evaluate", run), "thresholds.json is damaged (seen: ", "run zsl threshold again")


def _stopped(*_):
    raise KeyboardInterrupt


def test_groups_of_a_closed_set_are_asked_label_by_label(config, tmp_path):
    run = tmp_path / "run"
    options = ("--set", "backbone.mode=frozen", "--set", "data.closed=true")
    done = zsl("train", config, *options, "--out", run)
    assert done.exit_code == 0, done.output
    result = zsl("threshold", run)
    assert result.exit_code == 0, result.output
    chosen = Thresholds.load(run / "thresholds.json")
    assert chosen.company == "anchored"
    result = zsl("evaluate", run)
    assert "labels were asked anchored" in result.stdout
    # a label of training is asked in its own group, so a closed set has the same scores as in one piece
    scores, test = load_scores(run / "scores").scores, load_scores(run / "scores").test
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    found = with_decisions(measure(scores, test, (1,)), chosen, scores, test, 0).metrics
    assert metrics["closed/f1@threshold"] == pytest.approx(found["closed/f1@threshold"])

    content = json.loads((run / "config.json").read_text())
    content["train"]["loss"] = "softmax"
    (run / "config.json").write_text(json.dumps(content))
    refused(zsl("threshold", run), "loss 'softmax', under which labels compete", "train with another train.loss")
