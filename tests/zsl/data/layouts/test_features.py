"""Feature files of any layout: rewritten as tokens, and trained from."""

import json

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.experiments.command import refused, zsl
from tests.zsl.layouts import CHANNELS, TRIED, write_hdf5, write_tfrecords
from zsl.context import Context
from zsl.data.layouts.hdf5 import Hdf5Config
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.table import load_data
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.writing import Extraction


def test_features_too_large_for_fp16_are_refused(features, tmp_path):
    root, values, *arrays = features
    write_hdf5(root, 1e5 * values, *arrays)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    with pytest.raises(InputError, match="tokens of .*jpg are not finite: too large for --dtype fp16"):
        extract(None, data, tmp_path / "tokens", Extraction(dtype="fp16"), Context.of("fp32"))


def test_features_that_are_not_finite_are_named(features, tmp_path):
    root, values, *arrays = features
    values[1, 2, 3] = np.nan
    write_hdf5(root, values, *arrays)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    name = data.train.inputs.name(1)
    with pytest.raises(InputError, match=f"features of {name} hold NaN or infinity; .*; or give --skip-unreadable"):
        extract(None, data, tmp_path / "tokens", Extraction(), Context.of("fp32"))
    extract(None, data, tmp_path / "left", Extraction(skip_unreadable=True), Context.of("fp32"))
    again = load_data(TokensConfig(name="tokens", root=tmp_path / "left"))
    assert len(again.train.targets) == len(data.train.targets) - 1


@pytest.mark.parametrize("layout", ["hdf5", "tfrecords"])
def test_features_are_rewritten_and_trained_from(features, tmp_path, layout):
    root, *arrays = features
    write_hdf5(root, *arrays)
    write_tfrecords(root, *arrays)
    config = tmp_path / "config.toml"
    sections = (
        '[bank]\nencoder = "lexical:16"\n[decoder]\nwidth = 16\nffn = 16\ngroup_size = 2\ndropout = 0.0\n'
        "[train]\nepochs = 1\nema = 0.0\nbatch_size = 8\nvalidation = 0.2\n[evaluate]\nk = [1]\nbatch_size = 4\n"
    )
    channels = f"channels = {CHANNELS}\n" if layout == "tfrecords" else ""
    config.write_text(f'[data]\nname = "{layout}"\nroot = "{root}"\n{channels}{sections}')
    if layout == "tfrecords":
        refused(zsl("train", config, "--out", tmp_path / "x"), "only be read in order", "zsl data extract")
    else:
        assert zsl("train", config, "--out", tmp_path / "x").exit_code == 0
    done = zsl("data", "extract", config, "--out", tmp_path / "tokens", "--rows", 8, "--dtype", "fp16")
    assert done.exit_code == 0, done.output
    tokens = ("--set", "data.name=tokens", "--set", f"data.root={tmp_path / 'tokens'}")
    config.write_text(f"[data]\nname = 'x'\n{sections}")
    assert zsl("train", config, "--out", tmp_path / "run", *tokens).exit_code == 0
    assert zsl("evaluate", tmp_path / "run").exit_code == 0
    stored = load_data(Hdf5Config(name="hdf5", root=root)).train.inputs.read(range(5))
    manifest = json.loads((tmp_path / "tokens/manifest.json").read_text())
    assert manifest["parts"]["test"]["images"] == TRIED
    again = load_data(TokensConfig(name="tokens", root=tmp_path / "tokens")).train.inputs.read(range(5))
    torch.testing.assert_close(again.float(), stored, rtol=1e-3, atol=1e-3)
