"""A run with each readout: train and evaluate alike, from config to metrics."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from experiments.config.reading import load_config
from experiments.config.values import apply_settings
from tests.experiments.command import refused, zsl
from zsl.readouts.table import READOUTS
from zsl.runs.config import validated

MEMBERS = '[{kind = "eszsl"}, {kind = "ml-decoder", width = 16, ffn = 16, group_size = 2}]'
SMALL = {"width": 16, "ffn": 16, "layers": 2, "top": 3, "members": MEMBERS}  # of the keys that a readout may have


@pytest.mark.parametrize("kind", [kind for kind, readout in READOUTS.items() if not readout.aligned])
def test_every_readout_makes_a_run(regions, tmp_path, kind):
    sizes = [f"decoder.{key}={value}" for key, value in SMALL.items() if key in READOUTS[kind].model_fields]
    options = [*regions, *(argument for setting in (f"decoder.kind={kind}", *sizes) for argument in ("--set", setting))]
    run = tmp_path / "run"
    assert zsl("train", "corel5k", "--out", run, *options).exit_code == 0
    assert json.loads((run / "config.json").read_text())["decoder"]["kind"] == kind
    assert (run / "history.png").is_file()
    assert zsl("evaluate", run).exit_code == 0
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert 0 < metrics["zsl/map"] <= 1
    history, record = (json.loads((run / name).read_text()) for name in ("history.json", "run.json"))
    rates = [f"{rate:g}" for rate in READOUTS[kind]().learning_rates(0.0005)][1:]
    assert list(history["tried"]) == (["0.0005", *rates] if rates else [])
    assert record["chosen"] == history["chosen"]
    assert ("train.lr" in record["chosen"]) == bool(rates)
    assert all(np.isfinite(values).all() for values in load_file(run / "readout.safetensors").values())
    if READOUTS[kind].solved:
        assert len(history["loss"]) == len(history["validation_map"]) == 1
        assert metrics["gzsl/map_seen"] > 0.9  # every seen label has a region of its own


def test_a_run_without_decoder_kind_in_its_config_is_read(regions, tmp_path):
    run = tmp_path / "run"
    assert zsl("train", "corel5k", "--out", run, *regions, "--set", "decoder.width=16").exit_code == 0
    assert zsl("evaluate", run).exit_code == 0
    first = json.loads((run / "metrics.json").read_text())["metrics"]
    values = json.loads((run / "config.json").read_text())
    for key in ("kind", "layers", "self_attention"):
        del values["decoder"][key]
    (run / "config.json").write_text(json.dumps(values))
    assert zsl("evaluate", run).exit_code == 0
    assert json.loads((run / "metrics.json").read_text())["metrics"] == first


def test_a_readout_that_does_not_fit_is_refused_before_anything_is_written(regions, tmp_path):
    options = [*regions, "--set", "decoder.kind=transformer-decoder", "--set", "decoder.attention_heads=3"]
    refused(zsl("train", "corel5k", "--out", tmp_path / "run", *options), "decoder.attention_heads = 3 does not divide")
    assert not (tmp_path / "run").exists()


def test_region_tokens_are_of_no_pair(regions, tmp_path):
    options = [*regions, "--set", "decoder.kind=pair"]
    refused(zsl("train", "corel5k", "--out", tmp_path / "run", *options), "nothing says which pair made the tokens of")
    assert not (tmp_path / "run").exists()


def test_a_complete_config_accepts_another_kind():
    values = load_config("corel5k", []).model_dump(mode="json")
    for kind in READOUTS:
        other = json.loads(json.dumps(values))
        apply_settings(other, [f"decoder.kind={kind}"])
        assert validated(other, "variant").decoder.kind == kind
