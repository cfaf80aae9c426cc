"""`zsl calibrate-gzsl` as a user meets it."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.experiments.command import refused, zsl
from tests.names import SEEN
from zsl.evaluation.seen_bias import Choice


@pytest.fixture
def always(monkeypatch):
    """Fixes whether a bias helps, because small models are too noisy to decide it."""
    return lambda helps: monkeypatch.setattr(Choice, "helps", helps)


def test_calibration_uses_only_validation_images(config, photographs, tmp_path, always):
    run = tmp_path / "run"
    assert zsl("train", config, "--out", run).exit_code == 0
    assert zsl("evaluate", run).exit_code == 0
    before = json.loads((run / "metrics.json").read_text())
    # test pictures are gone: they are not read
    for number in range(40, 60):
        (photographs / "images" / f"{number}.jpg").write_bytes(b"no picture")
    always(True)
    result = zsl("calibrate-gzsl", run, "--k", 1, "--share", 0.4)
    assert result.exit_code == 0, result.output
    assert "without a bias: " in result.stdout
    assert f"now: zsl evaluate {run}" in result.stdout
    content = json.loads((run / "calibration.json").read_text())
    assert [len(names) for names in content["played_unseen"]] == [2, 2]
    assert len(set(SEEN).intersection(*content["played_unseen"])) == 0
    assert len(content["recall_harmonic"]) == len(content["recall_harmonic_without_shift"]) == 2
    assert not (run / "folds").exists()
    generator = np.random.default_rng(0)
    for number in range(40, 60):
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photographs / "images" / f"{number}.jpg")
    result = zsl("evaluate", run)
    assert "subtracted from seen logits, chosen on validation data" in result.stdout
    after = json.loads((run / "metrics.json").read_text())
    assert after["protocol"]["shift"] == content["shift"]
    assert "gzsl/calibrated_recall_harmonic@2" in after["metrics"].keys() - before["metrics"].keys()
    (run / "calibration.json").write_text("{}")
    refused(zsl("evaluate", run), "calibration.json is damaged")
    refused(zsl("calibrate-gzsl", run, "--k", 1, "--share", 0.01), "makes 0 of 5 seen labels unseen")
    refused(zsl("calibrate-gzsl", run, "--k", 6), "--k 6", "has 5 seen labels; give a smaller")


def test_a_bias_that_does_not_help_is_not_kept(regions, tmp_path, always):
    run = tmp_path / "run"
    assert zsl("train", "corel5k", "--out", run, *regions, "--set", "decoder.kind=eszsl").exit_code == 0
    chosen = json.loads((run / "run.json").read_text())["chosen"]
    assert chosen.keys() == {"decoder.image_ridge", "decoder.label_ridge"}
    (run / "calibration.json").write_text('{"shift": 0.25}')
    always(False)
    result = zsl("calibrate-gzsl", run, "--k", 1)
    assert result.exit_code == 0, result.output
    assert "(as given); seen" in result.stdout  # the run's own ridges
    assert "no bias helps: harmonic mean of recall@1" in result.stdout
    assert f"{run} has no calibration" in result.stdout
    assert not (run / "calibration.json").exists()
