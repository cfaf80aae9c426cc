"""Values of a config before they are validated: files that inherit from a base."""

import json

import pytest

from embeddings.io.errors import InputError
from experiments.config.reading import load_config
from experiments.config.values import merge_sections, read_values


def _file(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_overrides_a_recipe_key_by_key(tmp_path):
    text = 'base = "demo"\n[backbone]\npretrain = { epochs = 9 }\n[decoder]\nnum_groups = 3\n[train]\nlr = 1\n'
    config = load_config(_file(tmp_path, "mine.toml", text), [])
    known = load_config("demo", [])
    assert config.backbone.pretrain.model_dump() == known.backbone.pretrain.model_dump() | {"epochs": 9}
    assert (config.decoder.num_groups, config.decoder.group_size) == (3, None)  # the base gives group_size
    assert config.train == known.train.model_copy(update={"lr": 1.0})
    assert config.data == known.data


def test_another_dataset_drops_the_keys_of_the_previous_one(tmp_path):
    text = 'base = "demo"\nbackbone = "none"\n[data]\nroot = "mine"\nname = "csv"\n[decoder]\nkind = "eszsl"\n'
    values = read_values(_file(tmp_path, "mine.toml", text))
    assert values["data"] == {"name": "csv", "root": "mine"}
    assert values["backbone"] is None
    assert values["decoder"] == {"kind": "eszsl"}


def test_a_base_is_named_by_its_path_from_the_file(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    _file(tmp_path, "first.toml", 'base = "scenes_many"\n[train]\nseed = 5\n')
    _file(tmp_path, "saved.json", json.dumps({"train": {"seed": 6}}))
    last = _file(tmp_path / "inner", "last.toml", 'base = "../first.toml"\n[train]\nepochs = 2\n')
    monkeypatch.chdir("/")
    values = read_values(last)
    assert values["train"] | {"seed": 5, "epochs": 2} == values["train"]
    assert values["data"]["seen"] == 925
    assert read_values(_file(tmp_path, "over.toml", 'base = "saved.json"\n')) == {"train": {"seed": 6}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "a.toml"', r"a.toml: the bases form a circle: \S+a.toml -> \S+a.toml; remove one"),
        ('base = "b.toml"', r"b.toml: the bases form a circle: \S+a.toml -> \S+b.toml -> \S+a.toml; remove one"),
        ('base = "nowhere"', r"a.toml: no recipe or file base = 'nowhere'; recipes: cifar100, coco, "),
        ("base = 3", r"a.toml: no recipe or file base = 3; recipes: cifar100, coco, "),
        ('base = ["demo"]', r"a.toml: no recipe or file base = \['demo'\]; recipes: cifar100, coco, "),
        ('base = "."', r"a.toml: no recipe or file base = '.'; recipes: cifar100, coco, "),
        ('base = "demo"\ndata = 3', "a.toml: data = 3: it is a section"),
        ('base = "demo"\n[trian]\nlr = 3', "unknown key 'trian'; did you mean 'train'"),
        ('base = "demo"\n[train]\nlr = "much"', "train.lr: Input should be a valid number"),
    ],
)
def test_an_unusable_base_is_one_line(tmp_path, text, message):
    _file(tmp_path, "b.toml", 'base = "a.toml"')
    with pytest.raises(InputError, match=message):
        load_config(_file(tmp_path, "a.toml", text), [])


def test_sections_are_merged_tags_first():
    values = {"data": {"name": "scenes", "train": 5}}
    merge_sections(values, {"data": {"train": "first", "name": "csv"}}, "here")
    assert values == {"data": {"name": "csv", "train": "first"}}
