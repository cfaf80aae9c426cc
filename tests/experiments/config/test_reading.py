"""Reading configs: every recipe is complete, settings replace values, a mistake is one line that names the key."""

import json
from pathlib import Path

import pytest

from embeddings.io.errors import InputError, InputWarning
from experiments.config.reading import load_config, run_config
from experiments.config.recipes import recipes
from zsl.backbones.config import PretrainConfig
from zsl.data.layouts.voc import VocConfig
from zsl.readouts.gap import GapConfig
from zsl.readouts.transformer_decoder import TransformerDecoderConfig
from zsl.runs.config import validated


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_is_complete_and_survives_json(recipe, tmp_path):
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
    with pytest.raises(InputError, match=r"give one of decoder.group_size and decoder.num_groups \(got 2 and 5\)"):
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
        ("decoder.kind=gab", "unknown decoder.kind = 'gab'; did you mean 'gap'\\? known: ml-decoder, "),
        ("decoder.layer=2", "unknown key 'decoder.layer'; did you mean 'layers'"),
        ("decoder.layers=0", r"decoder.layers: .*greater than or equal to 1 \(got 0\)"),
        ("data.name=cocoo", "data.*scenes.*csv.*corel5k"),
        ("epochs", "write section.key=value"),
        ("train.lr.x=1", "'lr' is a value, not a section"),
        ("bank.oov=phrase,fuzzy", "bank.oov: unknown policy 'fuzzy' .*known: phrase, lower"),
        ("bank.transforms=zca", "bank.transforms: unknown transform 'zca'; known: l2, "),
        ("bank.encoder=2017", "bank.encoder: unknown encoder '2017'; known: .*lexical"),
        ("data.name=folder", "data.root is missing; it takes a path"),
        ("backbone.mean=0.5", r"backbone.mean takes 3 numbers or none \(got \[0.5\]\)"),
        ("backbone=resnet10t", "backbone = 'resnet10t': it is a section; give backbone.kind, one of timm, open_clip"),
        ("data=voc", "data = 'voc': it is a section; give data.name"),
        ("decoder=gap", "decoder = 'gap': it is a section; give decoder.kind, one of ml-decoder, "),
        ("evaluate.k=3,0", r"evaluate.k: Input should be greater than 0 \(got 0\)"),
        ("train.epochs=" + "9" * 5000, r"train.epochs: .*integer.*\(got '9+\.\.\.\)"),
        ("train.batch_size=9007199254740993", "train.batch_size is more than 9,007,199,254,740,992"),
        ("decoder.layers=" + "[" * 3000, "decoder.layers: .*integer"),
        ("train.epochs=1\nbank.seed=2", "train.epochs: .*integer"),
        ("train.accumulate=65", "train.accumulate = 65 is more than train.batch_size = 64"),
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


def test_another_dataset_drops_the_keys_of_the_previous_one():
    config = load_config("photographs", ["data.name=voc", "data.root=VOC2007", "backbone=none"])
    assert config.data == VocConfig(name="voc", root=Path("VOC2007"))
    assert config.backbone is None
    same = load_config("coco", ["data.name=coco", "data.root=mine"])
    assert (same.data.root, same.data.image_size, same.data.test) == (Path("mine"), 448, "labelled")


OWN = {"image_size": 224, "interpolation": "bicubic", "crop": 0.875, "squash": False}
HALF, IMAGENET = (0.5, 0.5, 0.5), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def read_as(config):
    """How a config's pictures are read."""
    data, backbone = config.data.model_dump(), config.backbone
    return {key: data[key] for key in OWN}, (backbone.mean, backbone.std)


def test_pictures_are_read_as_the_backbones_weights_were_trained():
    assert read_as(load_config("photographs", [])) == (OWN, (HALF, HALF))
    other = load_config("photographs", ["backbone.name=inception_v3"])
    assert read_as(other) == (OWN | {"image_size": 299}, (HALF, HALF))
    other = load_config("photographs", ["backbone.name=convnext_tiny.fb_in22k", "data.image_size=64"])
    assert read_as(other) == (OWN | {"image_size": 64}, IMAGENET)
    other = load_config("photographs", ["backbone.name=vit_tiny_patch16_224", "backbone.arguments.img_size=64"])
    assert read_as(other) == (OWN | {"image_size": 64, "crop": 0.9}, (HALF, HALF))
    for size in ("[64, 64]", "64"):
        other = load_config("photographs", ["backbone.name=test_vit", f"backbone.arguments.img_size={size}"])
        assert other.data.image_size == 64
    other = load_config("photographs", ["backbone.arguments.img_size=[1, 2, 3]"])  # which the model refuses
    assert other.data.image_size == 224
    other = load_config("photographs", ["data.squash=true", "data.crop=1", "data.interpolation=bilinear"])
    whole = {"image_size": 448, "interpolation": "bilinear", "crop": 1.0, "squash": True}
    assert read_as(other)[0] == whole | {"image_size": 224}
    assert read_as(load_config("coco", ["backbone.name=resnet50"])) == (whole, IMAGENET)  # the paper's


def test_another_backbone_drops_the_mean_and_std_of_the_previous_one():
    for settings in ([], ["backbone.name=resnet10t"]):
        demo = load_config("demo", settings)
        assert (demo.backbone.mean, demo.backbone.std, demo.data.image_size) == (HALF, HALF, 64)
    other = load_config("demo", ["backbone.name=resnet18"])
    assert (other.backbone.mean, other.backbone.std) == IMAGENET
    given = load_config("demo", ["backbone.std=[1, 2, 3]", "backbone.name=resnet18"])
    assert (given.backbone.mean, given.backbone.std) == (IMAGENET[0], (1, 2, 3))


def test_a_backbone_that_does_not_read_a_square_crop_is_named():
    with pytest.raises(InputError, match="'vit_base_patch16_sapiens2' is no crop of a square; set data.image_size"):
        load_config("photographs", ["backbone.name=vit_base_patch16_sapiens2"])
    with pytest.raises(InputError, match="'deepseek_vit_412m' is no crop of a square; set data.squash"):
        load_config("photographs", ["backbone.name=deepseek_vit_412m"])
    with pytest.raises(InputError, match="unknown backbone 'resnt18'; timm has: resnet18"):
        load_config("photographs", ["backbone.name=resnt18"])


def test_old_runs_without_the_keys_of_reading_pictures_get_the_old_values(tmp_path):
    values = load_config("photographs", []).model_dump(mode="json")
    for key in ("interpolation", "crop", "squash"):
        del values["data"][key]
    (tmp_path / "config.json").write_text(json.dumps(values))
    whole = {"image_size": 224, "interpolation": "bilinear", "crop": 1.0, "squash": True}
    assert read_as(run_config(tmp_path))[0] == whole
    (tmp_path / "config.json").write_text(load_config("photographs", []).model_dump_json())
    assert run_config(tmp_path) == load_config("photographs", [])


def test_another_readout_drops_the_keys_that_it_does_not_know():
    config = load_config("demo", ["decoder.kind=transformer-decoder", "decoder.layers=2"])
    assert config.decoder == TransformerDecoderConfig(
        kind="transformer-decoder", width=256, layers=2, attention_heads=4, ffn=512, dropout=0.0
    )
    assert load_config("demo", ["decoder.kind=gap"]).decoder == GapConfig(kind="gap")
    same = load_config("demo", ["decoder.kind=ml-decoder"])
    assert same == load_config("demo", [])  # as in configs from before `kind` existed
    with pytest.raises(InputError, match="unknown key 'decoder.width'; known: kind, image_ridge, label_ridge"):
        load_config("demo", ["decoder.kind=eszsl", "decoder.width=9"])


def test_readouts_that_do_not_fit_the_training_are_refused():
    for kind in ("gap", "conse", "eszsl"):
        with pytest.raises(InputError, match=f"train.random_queries .* than decoder.kind = '{kind}'"):
            load_config("demo", [f"decoder.kind={kind}", "train.random_queries=3"])
    for setting in ("random_queries=3", "mixed_labels=3", "label_dropout=0.2", "vector_noise=0.1"):
        load_config("demo", ["decoder.kind=gap-text", f"train.{setting}"])
        with pytest.raises(InputError, match=f"train.{setting.partition('=')[0]} needs another readout"):
            load_config("demo", ["decoder.kind=conse", f"train.{setting}"])
    with pytest.raises(InputError, match="decoder.kind = 'eszsl' is solved and trains nothing: set backbone.mode"):
        load_config("demo", ["decoder.kind=eszsl", "backbone.mode=tuned"])


@pytest.mark.parametrize("setting", ["decoder.query=random", "decoder.head=learnable"])
def test_random_queries_are_for_text_queries(setting):
    with pytest.raises(InputError, match="train.random_queries needs decoder.query = 'text'"):
        load_config("demo", ["train.random_queries=3", setting])
    load_config("demo", ["train.random_queries=3"])


def test_settings_may_stand_in_any_order():
    turned = load_config("photographs", ["data.year=2017", "data.root=COCO", "data.name=coco"])
    assert turned == load_config("photographs", ["data.name=coco", "data.root=COCO", "data.year=2017"])
    assert turned.data.year == "2017"
    with pytest.raises(InputError, match="unknown key 'decoder.width'"):
        load_config("demo", ["decoder.width=16", "decoder.kind=eszsl"])


def test_a_key_restores_a_section_that_was_absent(tmp_path):
    config = load_config("demo", ["backbone.pretrain=none"])
    (tmp_path / "config.json").write_text(config.model_dump_json())
    again = load_config(str(tmp_path / "config.json"), ["backbone.pretrain.epochs=3", "backbone.weights=none"])
    assert again.backbone.pretrain == PretrainConfig(epochs=3)
    assert again.backbone.weights is None


def test_files_hold_values_as_settings_do(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'backbone = "none"\n[data]\nname = "coco"\nroot = 2024\nyear = 2017\n'
        '[bank]\noov = "phrase,lower"\n[evaluate]\nk = 3\n[train]\nclip = "none"\ntrackers = "tensorboard"\n'
    )
    config = load_config(str(path), [])
    assert config.backbone is None
    assert (config.data.root, config.data.year) == (Path("2024"), "2017")
    assert (config.bank.oov, config.evaluate.k) == (("phrase", "lower"), (3,))
    assert (config.train.clip, config.train.trackers) == (None, ("tensorboard",))


def test_training_on_pictures_fills_in_a_backbone(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[data]\nname = "folder"\nroot = "x"\n')
    with pytest.warns(InputWarning, match=r"no \[backbone\] is given; using that of the recipe 'photographs', .+"):
        config = load_config(str(path), [], trains=True)
    assert config.backbone == load_config("photographs", []).backbone
    assert config.data.image_size == load_config("photographs", []).data.image_size
    with pytest.warns(InputWarning, match="recipe 'demo'"):
        assert load_config(str(path), ["data.name=scenes"], trains=True).backbone.pretrain.epochs == 4
    assert load_config(str(path), []).backbone is None
    assert load_config(str(path), ["backbone=none"], trains=True).backbone is None
    assert load_config(str(path), ["data.name=tokens", "data.root=x"], trains=True).backbone is None
