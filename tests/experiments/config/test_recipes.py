"""Every recipe, run whole on a few pictures in the layout that it names."""

import json
import tomllib

import pytest

from experiments.config.run_config import RECIPES, recipes
from tests.experiments.command import zsl

SMALL = (
    "data.image_size=32",
    "backbone.name=resnet10t",
    "backbone.level=2",
    "backbone.pretrained=false",
    "bank.encoder=lexical:16",
    "decoder.width=24",
    "decoder.ffn=16",
    "decoder.attention_heads=2",
    "train.epochs=1",
    "train.batch_size=4",
    "train.validation=0.4",
    "train.workers=0",
    "evaluate.k=[1]",
)
# tested elsewhere
OTHERS = ("demo", "scenes", "scenes_closed", "scenes_many", "scenes_single", "photographs", "corel5k")


@pytest.mark.parametrize("open_images", ["v6"], indirect=True)
@pytest.mark.parametrize("recipe", [name for name in recipes() if name not in OTHERS])
def test_a_recipe_runs(recipe, request, open_images, tmp_path):
    written = tomllib.loads((RECIPES / f"{recipe}.toml").read_text())
    of = request.getfixturevalue
    pictures = {
        "nus_wide": lambda: of("album").as_nus_wide(halves=False),
        "coco": lambda: {"root": of("coco")[0]},
        "voc": lambda: {"root": of("voc")},
        "open_images": lambda: {"root": open_images.root, "images": "pictures"},
        "class_folders": lambda: {"root": of("classes")},
    }[written["data"]["name"]]()
    settings = [f"data.{key}={value}" for key, value in pictures.items() if key != "name"]
    grouped = ["decoder.num_groups=2"] if "num_groups" in written["decoder"] else []
    arguments = [a for setting in (*SMALL, *settings, *grouped) for a in ("--set", setting)]
    run = tmp_path / "run"
    done = zsl("train", recipe, "--out", run, *arguments)
    assert done.exit_code == 0, done.output
    assert zsl("evaluate", run).exit_code == 0
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert ("zsl/map" if "nus_wide" in recipe else "closed/map") in metrics
    assert json.loads((run / "history.json").read_text())["loss"][0] > 0
    assert (run / "history.png").stat().st_size > 5_000
