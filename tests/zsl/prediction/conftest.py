"""One small trained run for all tests of prediction."""

import pytest

import zsl
from embeddings import build_bank
from tests.zsl.photos import write_photos

SMALL = zsl.TrainConfig(epochs=2, batch_size=8, lr=1e-2, validation=0.2, precision="fp32")
DECODER = zsl.MlDecoderConfig(width=16, ffn=16, attention_heads=2, group_size=2)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of pictures in the layout `folder`."""
    return write_photos(tmp_path_factory.mktemp("album") / "photos")


@pytest.fixture(scope="session")
def data(photos):
    """The dataset of these pictures."""
    return zsl.load_data(name="folder", root=photos, unseen=photos / "unseen.txt", image_size=32)


@pytest.fixture(scope="session")
def bank(data):
    """Word vectors of its labels."""
    return build_bank(data.names, "lexical:16", prompts=("a {}", "the {}"), transforms=("center", "l2"))


@pytest.fixture(scope="session")
def run(data, bank, tmp_path_factory):
    """The folder of a run with groups of two labels, and the model that `fit` returned."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    return out, zsl.fit(
        data, bank, backbone=zsl.BackboneConfig(name="resnet10t"), readout=DECODER, train=SMALL, out=out
    )
