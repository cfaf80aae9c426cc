"""Configs: every recipe is whole, and a mistake is one line that names the key."""

from pathlib import Path

import pytest

from embeddings import InputError
from experiments.config import load_config, recipes, validated
from zsl.data.csv_layout import CsvConfig
from zsl.data.voc import VocConfig
from zsl.readouts import GapConfig, TransformerDecoderConfig


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_is_whole_and_survives_json(recipe, tmp_path):
    config = load_config(recipe, [])
    (tmp_path / "config.json").write_text(config.model_dump_json())
    assert load_config(str(tmp_path / "config.json"), []) == config


def test_settings_are_toml_values_or_plain_text():
    config = load_config("demo", ["train.lr=1e-3", "bank.encoder=gensim:a b.txt", "evaluate.k=[1, 2]"])
    assert config.train.lr == 1e-3
    assert config.bank.encoder == "gensim:a b.txt"
    assert config.evaluate.k == (1, 2)


def test_groups_may_be_given_either_way():
    config = load_config("demo", ["decoder.group_size=2"])
    values = config.model_dump(mode="json")
    values["decoder"].update(group_size=None, num_groups=5)
    assert validated(values, "x").decoder.num_groups == 5
    assert load_config("demo", ["decoder.num_groups=5"]).decoder.group_size is None  # one replaces the other
    values["decoder"].update(group_size=2)
    with pytest.raises(InputError, match="give one of decoder.group_size and decoder.num_groups"):
        validated(values, "x")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epoch=3", "unknown key 'train.epoch'; did you mean 'epochs'?"),
        ("trian.epochs=3", "unknown key 'trian'; did you mean 'train'?"),
        ("data.trian=3", "unknown key 'data.trian'; did you mean 'train'?.* known: name, train, test"),
        ("backbone.pretrain.epoch=1", "unknown key 'backbone.pretrain.epoch'; did you mean 'epochs'?"),
        ("train.epochs=0", r"train.epochs: Input should be greater than or equal to 1 \(got 0\)"),
        ("train.lr=fast", "train.lr: .*number.*got 'fast'"),
        ("decoder.query=texts", "decoder.query: .*'text', 'learnable' or 'random'.*got 'texts'"),
        ("decoder.grouping=alike", "decoder.grouping: .*'given', 'random', 'redrawn', 'similar' or 'dissimilar'"),
        ("decoder.kind=gab", "unknown readout decoder.kind = 'gab'; did you mean 'gap'\\? known: ml-decoder, "),
        ("decoder.layer=2", "unknown key 'decoder.layer'; did you mean 'layers'"),
        ("decoder.layers=0", r"decoder.layers: .*greater than or equal to 1 \(got 0\)"),
        ("data.name=cocoo", "data.*scenes.*csv.*corel5k"),
        ("epochs", "write section.key=value"),
        ("train.lr.x=1", "'lr' is a value, not a section"),
    ],
)
def test_mistakes_are_named(setting, message):
    with pytest.raises(InputError, match=message) as caught:
        load_config("demo", [setting])
    assert "\n" not in str(caught.value)


def test_files_that_are_no_configs_are_named(tmp_path):
    (tmp_path / "broken.toml").write_text("[train\n")
    with pytest.raises(InputError, match=r"broken\.toml is not TOML"):
        load_config(str(tmp_path / "broken.toml"), [])
    with pytest.raises(InputError, match="no config file or recipe 'nothing'; recipes: .*demo"):
        load_config("nothing", [])


def test_another_dataset_drops_the_keys_of_the_one_before():
    config = load_config("photographs", ["data.name=voc", "data.root=VOC2007", "backbone=none"])
    assert config.data == VocConfig(name="voc", root=Path("VOC2007"))
    assert config.backbone is None
    same = load_config("photographs", ["data.name=csv", "data.root=mine"])
    assert same.data == CsvConfig(name="csv", root=Path("mine"))


def test_another_readout_drops_the_keys_that_it_has_no_use_for():
    config = load_config("demo", ["decoder.kind=transformer-decoder", "decoder.layers=2"])
    assert config.decoder == TransformerDecoderConfig(
        kind="transformer-decoder", width=256, layers=2, attention_heads=4, ffn=512, dropout=0.0
    )
    assert load_config("demo", ["decoder.kind=gap"]).decoder == GapConfig(kind="gap")
    same = load_config("demo", ["decoder.kind=ml-decoder"])
    assert same == load_config("demo", [])  # configs of before there were kinds
    with pytest.raises(InputError, match="unknown key 'decoder.width'; known: kind, image_ridge, label_ridge"):
        load_config("demo", ["decoder.kind=eszsl", "decoder.width=9"])


def test_readouts_that_cannot_do_what_training_asks():
    for kind in ("gap", "conse", "eszsl"):
        with pytest.raises(InputError, match=f"train.random_queries .* than decoder.kind = '{kind}'"):
            load_config("demo", [f"decoder.kind={kind}", "train.random_queries=3"])
    load_config("demo", ["decoder.kind=gap-text", "train.random_queries=3"])
    with pytest.raises(InputError, match="decoder.kind = 'eszsl' is solved and trains nothing: set backbone.mode"):
        load_config("demo", ["decoder.kind=eszsl", "backbone.mode=tuned"])


@pytest.mark.parametrize("setting", ["decoder.query=random", "decoder.head=learnable"])
def test_random_queries_are_for_text_queries(setting):
    with pytest.raises(InputError, match="train.random_queries needs decoder.query = 'text'"):
        load_config("demo", ["train.random_queries=3", setting])
    load_config("demo", ["train.random_queries=3"])
