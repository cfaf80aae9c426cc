"""Small runs on which several commands are tested."""

import pytest
import timm
from safetensors.torch import save_file


@pytest.fixture
def frozen(photographs, tmp_path):
    """Options of a run over the photographs through a frozen backbone with weights from a file."""
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), weights)
    settings = [
        "data.name=csv",
        f"data.root={photographs}",
        "data.image_size=32",
        f"backbone.weights={weights}",
        "bank.encoder=lexical:16",
        "decoder.width=16",
        "decoder.ffn=16",
        "train.epochs=2",
        "evaluate.k=[1, 2]",
    ]
    return [argument for setting in settings for argument in ("--set", setting)]


@pytest.fixture
def tuned(photographs, tmp_path):
    """A config file, and options of runs that also train the backbone."""
    settings = (
        f"data.root={photographs}",
        "data.image_size=32",
        "backbone.mode=tuned",
        "backbone.level=2",
        "bank.encoder=lexical:16",
        "decoder.width=16",
        "decoder.ffn=16",
        "decoder.group_size=2",
        "train.epochs=1",
        "train.ema=0.9",
        "evaluate.k=[1]",
    )
    options = [argument for setting in settings for argument in ("--set", setting)]
    config = tmp_path / "tuned.toml"
    config.write_text('data = {name = "csv", root = ""}\nbackbone = {name = "resnet10t"}\ndecoder = {width = 8}\n')
    return config, options


@pytest.fixture
def config(photographs, tmp_path):
    """A small run over the photographs, with a backbone of its own."""
    path = tmp_path / "small.toml"
    path.write_text(
        f'[data]\nname = "csv"\nroot = "{photographs}"\nimage_size = 32\n'
        '[backbone]\nname = "resnet10t"\nlevel = 2\nmode = "tuned"\n'
        '[bank]\nencoder = "lexical:16"\n'
        "[decoder]\nwidth = 16\nffn = 16\ngroup_size = 2\n"
        "[train]\nepochs = 1\nvalidation = 0.3\n[evaluate]\nk = [1, 2]\nbootstrap = 20\n"
    )
    return path
