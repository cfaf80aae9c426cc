"""A run whose labels are asked by themselves, and the check of what suits it."""

import json

import numpy as np
import pytest

from experiments.runs.company import CompanyCheck, check_company
from experiments.runs.measurement import open_run
from tests.experiments.command import refused, zsl
from tests.names import SEEN
from zsl.prediction.loading import load
from zsl.readouts.group_decoder import GroupDecoder
from zsl.readouts.normalisation import Normalisation, normalised


@pytest.fixture
def run(regions, tmp_path):
    options = ["decoder.width=32", "decoder.ffn=16", "decoder.group_size=2", "evaluate.bootstrap=0"]
    settings = [argument for option in options for argument in ("--set", option)]
    assert zsl("train", "corel5k", "--out", tmp_path / "run", *regions, *settings).exit_code == 0
    return tmp_path / "run"


def test_a_run_is_evaluated_in_each_company(run, regions, tmp_path, monkeypatch):
    _check_that_a_better_company_is_told(run, monkeypatch)
    assert zsl("evaluate", run).exit_code == 0
    plain = np.load(run / "scores" / "seen.npy")
    assert json.loads((run / "metrics.json").read_text())["protocol"]["company"] == "grouped"
    kept = tmp_path / "kept"
    assert zsl("evaluate", run, "--set", "evaluate.normalise=image").exit_code == 0
    assert json.loads((run / "metrics.json").read_text())["protocol"]["normalise"] == "image"
    (run / "scores").rename(tmp_path / "by-image")
    assert zsl("evaluate", run).exit_code == 0
    (run / "scores").rename(kept)
    for name in ("zsl", "gzsl", "seen"):
        found = np.load(kept / f"{name}.npy")
        expected = normalised(found, plain if name == "zsl" else found[:, : len(SEEN)], "image")
        np.testing.assert_allclose(np.load(tmp_path / "by-image" / f"{name}.npy"), expected, rtol=0, atol=1e-5)
    both = ["--from-scores", kept, "--from-scores", tmp_path / "by-image"]
    refused(zsl("evaluate", *both), "normalise 'none' against 'image'", "--mixed-protocols")
    assert "normalised" in zsl("evaluate", *both, "--mixed-protocols").stdout
    _check_normalisation_by_label(run, kept, tmp_path / "by-label")
    (run / "calibration.json").write_text('{"shift": 0.25}')  # of an earlier version, which knew one company
    result = zsl("evaluate", run, "--set", "evaluate.company=anchored", "--check-company")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "in the training group and the slot of its nearest seen label (evaluate.company = 'anchored')" in told
    assert "note: mAP of seen labels asked as if unseen, on 20 validation images: " in told
    assert f"note: no calibrated figures: {run} was calibrated for evaluate.company = 'grouped'" in told
    stamp = json.loads((run / "metrics.json").read_text())["protocol"]
    assert (stamp["company"], stamp["shift"]) == ("anchored", None)
    # seen labels keep the scores of training; unseen ones among all labels are as they are alone
    np.testing.assert_allclose(np.load(run / "scores" / "seen.npy"), plain, rtol=0, atol=1e-5)
    among, alone = (np.load(run / "scores" / f"{name}.npy") for name in ("gzsl", "zsl"))
    np.testing.assert_allclose(among[:, len(SEEN) :], alone, rtol=0, atol=1e-5)
    assert np.abs(alone - np.load(kept / "zsl.npy")).max() > 1e-3
    both = ["--from-scores", kept, "--from-scores", run / "scores"]
    refused(zsl("evaluate", *both), "company 'grouped' against 'anchored'", "--mixed-protocols")
    assert "labels anchored" in zsl("evaluate", *both, "--mixed-protocols").stdout.replace("\n", " ")
    refused(zsl("evaluate", *both, "--check-company"), "--check-company is for runs")
    asked = ("--set", "decoder.kind=gap-text", "--set", "evaluate.company=alone")
    told = "evaluate.company = 'alone': decoder.kind = 'gap-text' has none to choose"
    refused(zsl("train", "corel5k", "--out", tmp_path / "other", *regions, *asked), told)


def _check_normalisation_by_label(run, kept, saved):
    """It is stamped as transductive, leaves mAP as it is, and is not for single pictures."""
    by_label = ("--set", "evaluate.normalise=label")
    plain = json.loads((run / "metrics.json").read_text())
    result = zsl("evaluate", run, *by_label)
    told = "normalised by label over the test images (transductive)"
    assert f"Scores were {told} (evaluate.normalise)." in " ".join(result.stdout.split())
    found = json.loads((run / "metrics.json").read_text())
    assert found["protocol"]["normalise"] == "label over the test images (transductive)"
    assert found["metrics"]["zsl/map"] == pytest.approx(plain["metrics"]["zsl/map"], abs=1e-6)
    f1 = next(name for name in plain["metrics"] if name.startswith("gzsl/f1@"))
    assert found["metrics"][f1] != plain["metrics"][f1]
    (run / "scores").rename(saved)
    both = ["--from-scores", kept, "--from-scores", saved]
    refused(zsl("evaluate", *both), "normalise 'none' against 'label over the test images (transductive)'", "--mixed")
    assert "(transductive)" in zsl("evaluate", *both, "--mixed-protocols").stdout
    refused(zsl("threshold", run, *by_label), "normalise = 'label' needs the scores of a whole test set, which single")
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace('"normalise": "none"', '"normalise": "label"'))
    assert open_run(run, [], lambda *_, **__: None).config.evaluate.normalise == "label"
    assert load(run).normalisation == Normalisation("none")  # of a trained run, predictions are as they are
    (run / "config.json").write_text(config)


def _check_that_a_better_company_is_told(run, monkeypatch):
    """First as the run is, then with a decoder whose labels are right when they are alone."""
    source = open_run(run, [], lambda *_, **__: None)
    found = check_company(run, source)
    assert found.images == 20
    assert found.maps.keys() == {"grouped", "anchored", "alone"}
    assert found.gains.keys() == {"anchored", "alone"}
    for company, (gain, low, high) in found.gains.items():
        assert gain == pytest.approx(found.maps[company] - found.maps["grouped"])
        assert low <= gain <= high
    truth = source.data.train.targets.dense()[:, : len(SEEN)][source.split(source.data.train)[1].rows]
    ask = GroupDecoder.bind_each

    def best_alone(self, vectors, company, trained, without):
        assert (without is not None) == (company == "anchored")
        if company == "anchored":
            return ask(self, vectors, company, trained, without)
        return lambda tokens: 1.0 * vectors.new_tensor(truth)

    with monkeypatch.context() as patch:
        patch.setattr(GroupDecoder, "bind_each", best_alone)
        better = check_company(run, source)
    assert better.maps["alone"] == 1.0
    assert better.better == "alone"
    assert better.told().endswith("): try --set evaluate.company=alone")


def test_a_gain_that_may_be_none_is_not_told_as_one():
    even = CompanyCheck(20, "grouped", {"grouped": 0.5, "alone": 0.6}, {"alone": (0.1, -0.01, 0.2)})
    assert even.better is None
    assert "50.0 grouped, 60.0 alone; no other company is clearly better than evaluate.company = 'g" in even.told()
