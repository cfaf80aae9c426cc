"""Runs on the image tower of a small pair, from training to prediction, on images and on their tokens."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from experiments.config.reading import load_config
from experiments.grids.grid import table_grid
from experiments.grids.paper_tables import ABLATIONS
from tests.experiments.command import refused, zsl
from zsl.data.tokens.files import map_shard
from zsl.runs.config import resolved, validated
from zsl.runs.source import Source
from zsl.training.checkpoint import Checkpoints

CONFIG = """
[data]
name = "scenes"
train = 40
test = 30
seen = 12
unseen = 5
image_size = 32
[backbone]
kind = "open_clip"
name = "local-dir:{folder}"
[bank]
encoder = "backbone"
prompts = ["a photo of a {{}}", "the {{}}"]
[decoder]
kind = "label-attention"
width = 16
ffn = 16
attention_heads = 2
[train]
epochs = 2
validation = 0.2
[evaluate]
bootstrap = 0
"""


class Stopped(Exception):  # noqa: N818 - it stands for a power cut
    pass


@pytest.fixture(scope="module")
def config(tmp_path_factory, pair_folder):
    path = tmp_path_factory.mktemp("pair") / "pair.toml"
    path.write_text(CONFIG.format(folder=pair_folder("vit")))
    return path


@pytest.fixture(scope="module")
def tokens(config):
    """The tokens of a config's data."""
    assert zsl("data", "extract", config, "--out", config.parent / "tokens").exit_code == 0
    return config.parent / "tokens"


@pytest.fixture(scope="module")
def run(config):
    assert zsl("train", config, "--out", config.parent / "run").exit_code == 0
    return config.parent / "run"


def _picture(folder):
    path = folder / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)).save(path)
    return path


def _values(run, name):
    return json.loads((run / name).read_text())


def test_a_run_is_trained_measured_and_asked(run, pair_folder, tmp_path):
    spec = f"open_clip:local-dir:{pair_folder('vit')}"
    assert _values(run, "config.json")["bank"]["encoder"] == spec
    bank = Bank.load(run / "bank.safetensors")
    own = build_bank(bank.labels, spec, prompts=["a photo of a {}", "the {}"], transforms="l2")
    np.testing.assert_array_equal(bank.vectors, own.vectors)
    assert zsl("evaluate", run).exit_code == 0
    assert 0 < _values(run, "metrics.json")["metrics"]["zsl/map"] <= 1
    asked = zsl("predict", run, _picture(tmp_path), "--labels", "red dog", "--heat-maps", tmp_path / "maps")
    assert asked.exit_code == 0
    assert "red dog" in asked.output
    assert list((tmp_path / "maps").iterdir())


def test_an_exported_model_opens_without_the_pair(config, pair_folder, tmp_path):
    here = tmp_path / "here"
    shutil.copytree(pair_folder("vit"), here)
    options = ("--set", f"backbone.name=local-dir:{here}", "--set", "train.epochs=1")
    assert zsl("train", config, "--out", tmp_path / "run", *options).exit_code == 0
    assert zsl("export", tmp_path / "run", "--out", tmp_path / "model").exit_code == 0
    shutil.rmtree(here)
    asked = ("predict", tmp_path / "model", _picture(tmp_path))
    assert zsl(*asked).exit_code == 0
    gone = zsl(*asked, "--labels", "red dog")
    assert (gone.exit_code, "is not on this machine; say where it is: zsl predict --encoder" in gone.stderr) == (
        2,
        True,
    )
    spec = f"open_clip:local-dir:{pair_folder('vit')}"
    assert "red dog" in zsl(*asked, "--labels", "red dog", "--encoder", spec).output


def test_an_interrupted_run_goes_on(run, config, tmp_path, monkeypatch):
    save = Checkpoints.save

    def save_and_stop(*arguments):
        save(*arguments)
        raise Stopped

    monkeypatch.setattr(Checkpoints, "save", save_and_stop)
    with pytest.raises(Stopped):
        zsl("train", config, "--out", tmp_path / "run")
    monkeypatch.undo()
    assert zsl("train", config, "--out", tmp_path / "run", "--resume").exit_code == 0
    for name in ("readout.safetensors", "bank.safetensors", "history.json"):
        assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def _trained_on(tokens, config, run, kind):
    stored = ("--set", "data.name=tokens", "--set", f"data.root={tokens}", "--set", "backbone=none")
    assert zsl("train", config, "--out", run, "--set", f"decoder.kind={kind}", *stored).exit_code == 0
    return run


def test_tokens_on_disk_know_their_pair(config, tokens, tmp_path):
    assert _values(tokens, "manifest.json")["made_with"]["leading"] == 1
    images, stored = tmp_path / "images", _trained_on(tokens, config, tmp_path / "tokens", "gap-text")
    assert zsl("train", config, "--out", images, "--set", "decoder.kind=gap-text").exit_code == 0
    weights = [load_file(run / "readout.safetensors") for run in (images, stored)]
    assert all(np.array_equal(weights[0][name], value) for name, value in weights[1].items())
    assert (images / "bank.safetensors").read_bytes() == (stored / "bank.safetensors").read_bytes()


def test_tokens_of_each_dense_reading_are_kept_apart(config, tokens, tmp_path):
    out = tmp_path / "value"
    assert zsl("data", "extract", config, "--out", out, "--set", "backbone.dense=value").exit_code == 0
    plain, value = (map_shard(root / "test-00000.safetensors").float().squeeze(1) for root in (tokens, out))
    assert plain.shape == value.shape == (30, 17, 7)
    assert np.array_equal(plain[:, 0], value[:, 0])
    assert not np.allclose(plain[:, 1:], value[:, 1:], atol=0.01)
    assert _values(out, "manifest.json")["made_with"]["backbone"]["dense"] == "value"
    mixed = zsl("data", "extract", config, "--out", out, "--set", "backbone.dense=self")
    refused(mixed, "was started with made_with =", "choose another --out")


def test_a_readout_of_the_whole_image_has_no_heat_maps(config, tokens, tmp_path):
    run = _trained_on(tokens, config, tmp_path / "run", "eszsl")
    asked = ("predict", run, _picture(tmp_path), "--labels", "dog")
    refusal = zsl(*asked, "--heat-maps", tmp_path / "maps")
    assert refusal.exit_code == 2
    assert "reads the token of the whole image alone, which has no place; for heat maps train with" in refusal.stderr


def test_the_row_of_the_pair_trains_nothing(config, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(Source, "train", property(lambda self: read.append(self)))
    run, options = tmp_path / "run", ("--set", "decoder.kind=pair", "--set", "decoder.reading=softmax")
    assert zsl("train", config, "--out", run, *options).exit_code == 0
    assert not read  # no tokens of training images were made
    monkeypatch.undo()
    history = _values(run, "history.json")
    assert (history["loss"], len(history["validation_map"])) == ([0.0], 1)
    assert _values(run, "run.json")["multiply_accumulates"] > 17 * 16 * 7
    assert zsl("evaluate", run).exit_code == 0
    assert 0 < _values(run, "metrics.json")["metrics"]["zsl/map"] <= 1
    assert zsl("export", run, "--out", tmp_path / "model").exit_code == 0
    asked = zsl("predict", tmp_path / "model", _picture(tmp_path), "--labels", "red dog", "--heat-maps", tmp_path / "m")
    assert asked.exit_code == 0
    assert list((tmp_path / "m").iterdir())


def test_a_blend_takes_the_row_of_the_pair(config, tokens, tmp_path):
    members = 'decoder.members=[{kind = "eszsl"}, {kind = "pair", reading = "top", mixture = 0.5}]'
    stored = ("--set", "data.name=tokens", "--set", f"data.root={tokens}", "--set", "backbone=none")
    run = tmp_path / "run"
    told = zsl("train", config, "--out", run, "--set", "decoder.kind=blend", "--set", members, *stored)
    assert told.exit_code == 0, told.stderr
    assert zsl("evaluate", run).exit_code == 0
    found = _values(run, "history.json")["members"]
    assert [(one["kind"], len(one["epochs"]["loss"])) for one in found] == [("eszsl", 1), ("pair", 1)]


def test_the_row_of_the_pair_is_refused_for_words_of_another_space(config, tmp_path):
    options = ("--set", "decoder.kind=pair", "--set", "bank.encoder=lexical:7")
    refused(zsl("train", config, "--out", tmp_path / "run", *options), "the word vectors are of lexical:7, in another")
    refused(
        zsl("train", "demo", "--out", tmp_path / "run", "--set", "decoder.kind=pair"),
        "decoder.kind = 'pair' compares tokens with word vectors as they are, but backbone 'resnet10t' is no image",
    )
    refused(
        zsl("train", config, "--out", tmp_path / "run", "--set", "decoder.kind=pair", "--set", "backbone.mode=tuned"),
        "decoder.kind = 'pair' trains nothing: set backbone.mode = 'frozen'",
    )
    assert not (tmp_path / "run").exists()


def test_zero_shot_tables_over_a_pair_have_its_rows(config):
    own, plain = load_config(str(config), []), load_config(str(config), ["bank.encoder=lexical:7"])
    table = table_grid(ABLATIONS["table8"], own, 1)
    rows = [(one.decoder.kind, one.decoder.reading) for one in table.configs if one.decoder.kind == "pair"]
    assert rows == [("pair", "class"), ("pair", "top")]
    assert len(table.configs) == len(ABLATIONS["table8"].variants) + 2
    other = table_grid(ABLATIONS["table8"], plain, 1)
    assert len(other.configs) == len(ABLATIONS["table8"].variants)
    (note,) = [line for line in other.notes if "left out" in line]
    assert "a row is left out: decoder.kind = 'pair' compares tokens with word vectors" in note
    assert not any(
        one.decoder.kind == "pair" for one in table_grid(ABLATIONS["table8"], load_config("demo", []), 1).configs
    )


def test_words_of_another_space_are_noted(config, tmp_path):
    options = ("--set", "bank.encoder=lexical:16", "--set", "train.epochs=1", "--set", "backbone.mode=tuned")
    told = zsl("train", config, "--out", tmp_path / "run", *options)
    assert told.exit_code == 0
    assert "the word vectors are of lexical:16, in another space than the tokens of local-dir:" in told.stderr


def test_the_encoder_of_the_backbone_needs_a_pair(tmp_path):
    refused(
        zsl("train", "demo", "--out", tmp_path / "run", "--set", "bank.encoder=backbone"),
        "bank.encoder = 'backbone' needs an image-text pair as the backbone ('resnet10t' is none); set backbone.kind =",
    )


def test_another_kind_of_backbone_drops_the_keys_of_the_old_one(pair_folder):
    name = f"backbone.name=local-dir:{pair_folder('vit')}"
    config = load_config("demo", [name, "backbone.kind=open_clip", "bank.encoder=backbone"])
    assert (config.backbone.kind, config.backbone.tokens) == ("open_clip", "all")


def test_pictures_are_read_as_the_pair_reads_them(photographs, pair_folder):
    backbone = {"kind": "open_clip", "name": f"local-dir:{pair_folder('siglip')}"}
    config = resolved(validated({"data": {"name": "csv", "root": photographs}, "backbone": backbone}, "a test"))
    data = config.data
    assert (data.image_size, data.interpolation, data.crop, data.squash) == (160, "bicubic", 1.0, True)
    assert (config.backbone.mean, config.backbone.std) == ((0.5,) * 3, (0.5,) * 3)
    assert config.backbone.architecture["embed_dim"] == 64
