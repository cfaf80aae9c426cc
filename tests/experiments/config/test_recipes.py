"""Every recipe: the values that it resolves to, and a complete run of it on a few pictures in its layout."""

import hashlib
import json

import pytest
import torch

from experiments.config.reading import load_config
from experiments.config.recipes import recipes, summaries
from experiments.config.values import read_values
from experiments.grids.paper_tables import RECOMMENDED
from tests.experiments.command import zsl
from tests.zsl.photos import write_photos
from zsl.cost import image_cost
from zsl.readouts.group_decoder import MlDecoderConfig

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
OTHERS = ("demo", "scenes", "scenes_closed", "scenes_many", "scenes_single", "corel5k", "cifar100", "stanford_cars")

# sha256 of what each recipe sets, with what it inherits: figures are recorded under these values
DIGESTS = {
    "cifar100": "5385b57eab6f7939",
    "coco": "0e6a589fc3f29500",
    "corel5k": "ffd381d94204a6fc",
    "corel5k_photos": "ce4d1f3f031cb3e3",
    "demo": "2ac2c0ba24ec730e",
    "imagenet_sigmoid": "58872bad01d45797",
    "imagenet_softmax": "0ace6b0a32735a11",
    "nus_wide": "c7b8c1a91bdb1eeb",
    "nus_wide_groups": "e6abf2ba64f28a76",
    "nus_wide_released": "586e87e375b9e5b6",
    "open_images": "397ea49961d1f5b8",
    "photographs": "1bd80fc2b4203526",
    "photographs_groups": "7a57c44d63dcaf9b",
    "scenes": "ccea653f0e81dbb9",
    "scenes_closed": "ae8c1f7b40cf0162",
    "scenes_many": "de8859380498962b",
    "scenes_single": "4c7d93e0c999d94b",
    "stanford_cars": "9b0a3732b08adbb3",
    "voc": "edfe2dad0d10ed43",
}


def test_recipes_resolve_to_the_values_that_figures_are_recorded_under():
    resolved = {name: json.dumps(read_values(name), sort_keys=True).encode() for name in recipes()}
    assert {name: hashlib.sha256(content).hexdigest()[:16] for name, content in resolved.items()} == DIGESTS
    assert all(summary.endswith(".") and len(summary) < 120 for summary in summaries().values())


@pytest.mark.parametrize("open_images", ["v6"], indirect=True)
@pytest.mark.parametrize("recipe", [name for name in recipes() if name not in OTHERS])
def test_a_recipe_runs(recipe, request, open_images, tmp_path):
    written = read_values(recipe)
    of = request.getfixturevalue
    pictures = {
        "nus_wide": lambda: of("album").as_nus_wide(halves=False),
        "coco": lambda: {"root": of("coco")[0]},
        "voc": lambda: {"root": of("voc")},
        "open_images": lambda: {"root": open_images.root, "images": "pictures"},
        "class_folders": lambda: {"root": of("classes")},
        "folder": lambda: {"root": write_photos(tmp_path / "photos")},
    }[written["data"]["name"]]()
    settings = [f"data.{key}={value}" for key, value in pictures.items() if key != "name"]
    if recipe == "corel5k_photos":
        (tmp_path / "photos/test.txt").write_text("".join(f"{number}.jpg\n" for number in range(28, 40)))
    grouped = ["decoder.num_groups=2"] if "num_groups" in written["decoder"] else []
    blended = written["decoder"].get("kind") == "blend"  # which has no sizes of its own
    small = [setting for setting in SMALL if not (blended and setting.startswith("decoder."))]
    arguments = [a for setting in (*small, *settings, *grouped) for a in ("--set", setting)]
    run = tmp_path / "run"
    done = zsl("train", recipe, "--out", run, *arguments)
    assert done.exit_code == 0, done.output
    assert zsl("evaluate", run).exit_code == 0
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert ("zsl/map" if "nus_wide" in recipe or "photo" in recipe else "closed/map") in metrics
    assert json.loads((run / "history.json").read_text())["loss"][0] > 0
    assert (run / "history.png").stat().st_size > 5_000


def test_the_recommended_blend_costs_a_hundredth_of_full_decoding():
    tokens, vectors = torch.zeros(1, 49, 1280), torch.randn(925, 384)
    blend = load_config("photographs", []).decoder.make(1280, 384, 925)
    blend.remember(vectors)
    full = MlDecoderConfig(head="shared", group_size=1).make(1280, 384, 925)
    assert image_cost(None, blend, tokens, vectors) < 0.01 * image_cost(None, full, tokens, vectors)
    assert [dict(one) for one in RECOMMENDED] == read_values("photographs")["decoder"]["members"]
