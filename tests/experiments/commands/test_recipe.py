"""`zsl recipe` prints configs."""

import pytest

from experiments.config.reading import load_config
from experiments.config.recipes import as_toml, recipes
from experiments.config.values import read_values
from tests.experiments.command import refused, zsl


def test_recipes_are_listed_with_one_line_each():
    lines = zsl("recipe").stdout.splitlines()
    assert [line.split()[0] for line in lines] == recipes()
    assert lines[1].startswith("coco                MS-COCO as a closed set (appendix C)")


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_printed_with_all_that_it_inherits(name, tmp_path):
    shown = zsl("recipe", name).stdout
    (tmp_path / "shown.toml").write_text(shown)
    assert shown.startswith("# ")
    assert "base =" not in shown
    assert load_config(str(tmp_path / "shown.toml"), []) == load_config(name, [])


def test_settings_and_files_are_printed_too(tmp_path):
    (tmp_path / "mine.toml").write_text('base = "photographs"\n[data]\nroot = "a \\"b\\" ü"\n')
    shown = zsl("recipe", tmp_path / "mine.toml", "--set", "backbone.weights=none", "--set", "evaluate.k=2,3").stdout
    (tmp_path / "shown.toml").write_text(shown)
    config = load_config(str(tmp_path / "shown.toml"), [])
    assert (str(config.data.root), config.backbone.weights, config.evaluate.k) == ('a "b" ü', None, (2, 3))
    refused(zsl("recipe", "demos"), "no config file or recipe 'demos'; recipes: cifar100, coco, ")


def test_values_are_written_as_toml(tmp_path):
    values = {"backbone": "none", "data": {"a b": [1, "x\x7f\n"], "inner": {"on": True, "lr": 1e-05}, "none": None}}
    (tmp_path / "x.toml").write_text('base = "demo"\n' + as_toml({"backbone": "none", "bank": {"file": "a\x7f"}}))
    assert read_values(str(tmp_path / "x.toml"))["bank"]["file"] == "a\x7f"
    assert as_toml(values).splitlines() == [
        'backbone = "none"',
        "",
        "[data]",
        '"a b" = [1, "x\\u007f\\n"]',
        "inner = { on = true, lr = 1e-05 }",
        'none = "none"',
    ]
