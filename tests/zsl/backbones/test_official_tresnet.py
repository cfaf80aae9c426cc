"""The official TResNet as timm's: outputs that its own code gave, and sizes found from names and shapes."""

import json
import re

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.conftest import GOLDEN
from zsl.backbones.official_tresnet import SIZES, config_of, load_tresnet
from zsl.readouts.official_weights import load_state_dict

# names and shapes of small models of the official code, and the logits that it gave for `official_state` and pixels
OFFICIAL = json.loads((GOLDEN / "official_tresnet.json").read_text())


def official_state(kind):
    """Weights of a small official model; random numbers, among them negative weights of batch normalisation."""
    state = {}
    for index, (name, shape) in enumerate(sorted(OFFICIAL[kind]["shapes"].items())):
        values = np.random.RandomState(index).standard_normal(shape)
        if name.endswith("running_var"):
            values = np.abs(values) + 0.5
        elif len(shape) > 1:
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = torch.from_numpy(np.asarray(values)).float()
    return state


def pixels():
    """(2, 3, 64, 96) uint8, the pictures of the recorded logits."""
    return torch.from_numpy(np.random.RandomState(99).randint(0, 256, (2, 3, 64, 96), dtype=np.uint8))


def word_vectors():
    """(5, 11), the word vectors of the recorded logits of the zero-shot head."""
    return torch.from_numpy(np.random.RandomState(98).standard_normal((5, 11))).float()


@pytest.mark.parametrize(("kind", "vectors"), [("basic", None), ("bottleneck", word_vectors())])
def test_backbone_and_head_give_the_official_logits(kind, vectors):
    state = official_state(kind)
    with torch.no_grad():
        logits = load_state_dict(state)[0](load_tresnet(state)[0](pixels()), vectors)
    torch.testing.assert_close(logits, torch.tensor(OFFICIAL[kind]["logits"]), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", SIZES)
def test_the_size_is_found_from_names_and_shapes(name):
    import timm

    with torch.device("meta"):
        names = timm.create_model(name).state_dict()
    official = {}
    for key, tensor in names.items():  # the official names: Sequentials of a convolution and its normalisation
        key = re.sub(r"(layer[234]\.0\.conv[12])\.(conv|bn)", r"\1.\2", key)
        official[re.sub(r"\.(conv|bn)\.", lambda found: ".0." if found[1] == "conv" else ".1.", key)] = tensor
    config = config_of(official)
    assert (config.name, config.arguments) == (name, {})
    assert config.mean == (0, 0, 0)
    assert config.std == (1, 1, 1)


def test_a_size_that_timm_does_not_name_has_arguments():
    config = config_of(official_state("bottleneck"))
    assert (config.name, config.arguments) == ("tresnet_v2_l", {"layers": [1, 2, 1, 1], "width_factor": 0.125})


def _without(state, part):
    return {name: tensor for name, tensor in state.items() if part not in name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: _without(state, "body.conv1"), "no TResNet in the file: no tensor is named 'body.conv1"),
        (lambda state: _without(state, "body.layer3"), "no TResNet in the file: stage 3 has no blocks"),
        (lambda state: _without(state, "body.layer2.1.se"), "lack 'body.layer2.1.se.fc1.weight' of timm's tresnet_m"),
        (
            lambda state: state | {"body.layer1.0.more": torch.zeros(3)},
            "have 'body.layer1.0.more', which timm's tresnet_m lacks",
        ),
        (
            lambda state: state | {"body.layer1.0.se.fc1.bias": torch.zeros(3)},
            r"'body.layer1.0.se.fc1.bias' of the official weights is \(3,\), in timm's tresnet_m \(64,\)",
        ),
    ],
)
def test_other_weights_are_one_clear_line(change, message):
    with pytest.raises(InputError, match=message):
        load_tresnet(change(official_state("basic")))
