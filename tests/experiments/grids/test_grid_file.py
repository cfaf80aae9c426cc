"""A user's grid file: what its axes make, and what is refused before anything runs."""

import itertools
import json
from pathlib import Path

import pytest

from embeddings.io.settings import flat
from experiments.grids.grid_file import spec_grid
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_grid


def test_a_grid_is_the_product_of_its_axes(tokens):
    axes = 'decoder.query = ["text", "learnable", "random"]\n"decoder.width" = [16, 24]\ntrain.warmup = [0.1, 0.3]'
    tail = '[[exclude]]\ndecoder = {query = "random", width = 24}\n[[include]]\n"train.loss" = "bce"\n'
    grid = spec_grid(write_grid(tokens, axes, head="seeds = [3, 5]", tail=tail), None, [], None)
    product = itertools.product(("text", "learnable", "random"), (16, 24), (0.1, 0.3), ("asymmetric",))
    wanted = [*(one for one in product if one[:2] != ("random", 24)), ("text", 16, 0.2, "bce")]
    keys = ("decoder.query", "decoder.width", "train.warmup", "train.loss")
    expected = [(*one, seed) for seed in (3, 5) for one in wanted]
    found = [flat(run.config.model_dump()) for run in grid.runs]
    assert [tuple(one[key] for key in (*keys, "train.seed")) for one in found] == expected
    # each variant tells of every key that any of them changes
    assert grid.ablation.variants[0].axes == {"query": "text", "width": 16, "warmup": 0.1, "loss": "asymmetric"}
    assert grid.ablation.variants[-1].axes == {"query": "text", "width": 16, "warmup": 0.2, "loss": "bce"}
    assert grid.changes(grid.runs[1]) == {"train.warmup": 0.3}


def test_axes_with_the_same_last_part_keep_their_whole_keys(tokens):
    grid = spec_grid(
        write_grid(tokens, "train.lr = [1e-3]\ntrain.batch_size = [8]\nevaluate.batch_size = [8]"), None, [], None
    )
    assert list(grid.ablation.variants[0].axes) == ["lr", "train.batch_size", "evaluate.batch_size"]


def test_normalisation_may_be_an_axis(tokens):
    axes = 'evaluate.normalise = ["none", "softmax"]\nevaluate.temperature = [2]'
    grid = spec_grid(write_grid(tokens, axes), None, [], None)
    assert [run.config.evaluate.normalisation.told for run in grid.runs] == ["none", "softmax, temperature 2"]


def test_sections_override_the_config(tokens):
    text = write_grid(tokens, "decoder.width = [16]", data='name = "corel5k"').read_text()
    (tokens / "grid.toml").write_text('backbone = "none"\n' + text.replace('config = "corel5k"', 'config = "demo"'))
    config = spec_grid(tokens / "grid.toml", None, ["train.lr=0.5"], None).config
    assert config.data.name == "corel5k"
    assert config.data.file == tokens / "regions.npz"
    assert config.backbone is None
    assert (config.decoder.ffn, config.train.lr) == (16, 0.5)


def test_axes_are_read_as_settings_are(tokens):
    axes = 'bank.oov = ["phrase,error", ["lower"]]\ntrain.clip = ["none", 5]\ntrain.trackers = ["tensorboard"]'
    grid = spec_grid(write_grid(tokens, axes, evaluate="batch_size = 7"), None, ["data.file=2024"], None)
    found = [(run.config.bank.oov, run.config.train.clip) for run in grid.runs]
    assert found == list(itertools.product((("phrase", "error"), ("lower",)), (None, 5.0)))
    assert grid.config.data.file == Path("2024")
    assert grid.configs[0].train.trackers == ("tensorboard",)


@pytest.mark.parametrize(
    ("axes", "more", "words"),
    [
        ('decoder.qurey = ["text"]', {}, ("unknown key 'decoder.qurey'", "did you mean 'query'")),
        ('qurey = ["text"]', {}, ("unknown axis 'qurey'", "decoder")),
        ('backbone.name = ["resnet10t"]', {}, ("axis 'backbone.name'", "no [backbone]")),
        ('decoder.width = ["wide"]', {}, ("decoder.width", "valid integer", "'wide'")),
        ("decoder.width = 16", {}, ("axis decoder.width = 16", "a list")),
        ("decoder.width = []", {}, ("axis decoder.width = []", "a list")),
        ("decoder.width = [0]", {}, ("decoder.width", "greater than or equal to 1")),
        ("", {}, ("no run is left", "[axes]")),
        ("decoder.width = [8]", {"tail": '[[exclude]]\n"decoder.width" = 8'}, ("no run is left",)),
        (
            "decoder.width = [8]",
            {"tail": '[[exclude]]\n"decoder.width" = 9'},
            ("exclude 1 (decoder.width = 9)", "no run"),
        ),
        ("decoder.width = [8, 16, 8]", {}, ("decoder.width = 8 is listed twice",)),
        ("decoder.width = [8]", {"tail": '[[include]]\n"decoder.width" = 8'}, ("decoder.width = 8 is listed twice",)),
        ("decoder.width = [8]", {"head": "seeds = [1, 1]"}, ("seeds has a duplicate",)),
        ("decoder.width = [8]", {"head": "seeds = 0"}, ("seeds = 0",)),
        ("decoder.width = [8]", {"head": "seeds = [-1]"}, ("seeds", "train.seed")),
        ("decoder.width = [8]", {"head": 'seeds = "all"'}, ("seeds", "'all'")),
        ("decoder.width = [8]", {"head": "seed = 3"}, ("unknown key 'seed'", "seeds")),
        ("decoder.width = [8]", {"head": "budget = {run = 3}"}, ("unknown key 'budget.run'",)),
        ("train.seed = [1, 2]", {}, ("train.seed cannot be an axis", "seeds")),
        ("evaluate.k = [[1], [2]]", {}, ("evaluate.k changes the protocol inside one table",)),
        ('data.name = ["scenes"]', {}, ("data.name changes the protocol",)),
        (
            'data.split = ["SPLIT", "OTHER"]',
            {},
            ("data.split changes the protocol inside one table", "other seen labels"),
        ),
        ("decoder.group_size = [9]", {}, ("decoder.group_size = 9 is not between 1 and the 5 labels",)),
    ],
)
def test_bad_grids_end_in_one_line_before_anything_runs(tokens, axes, more, words):
    (tokens / "other.json").write_text(json.dumps({"train class": ["blue disc"], "test class": ["pink star"]}))
    axes = axes.replace("SPLIT", str(tokens / "split.json")).replace("OTHER", str(tokens / "other.json"))
    out = tokens / "out"
    refused(zsl("ablate", write_grid(tokens, axes, **more), "--out", out), *words)
    assert not out.exists()
    refused(zsl("ablate", tokens / "nowhere.toml", "--out", out), "no grid file", "nowhere.toml")


def test_each_backbone_of_a_grid_reads_pictures_in_its_own_way(tmp_path):
    path = tmp_path / "grid.toml"
    axis = 'axes.backbone.name = ["tf_efficientnet_lite0", "inception_v4", "resnet50"]'
    path.write_text(f'config = "photographs"\n{axis}\n')
    grid = spec_grid(path, None, ["data.root=x"], 2)
    found = [(c.data.image_size, c.data.crop, c.backbone.mean[0]) for c in grid.configs]
    assert found == [(224, 0.875, 0.5), (299, 0.875, 0.5), (224, 0.95, 0.485)]
    assert [run.config.data.image_size for run in grid.runs] == [224, 299, 224] * 2
    assert grid.changes(grid.runs[1]) == {"backbone.name": "inception_v4", "data.image_size": 299}
