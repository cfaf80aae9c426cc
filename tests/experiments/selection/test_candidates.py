"""Which variants can be blended, and the configs of candidates."""

import numpy as np
import pytest

from experiments.config.reading import load_config
from experiments.config.recipes import as_toml
from experiments.grids.variants import Variant
from experiments.selection.candidates import Candidate, blend_key, chosen_values
from zsl.runs.config import validated

BASE = {"data": {"name": "scenes"}, "backbone": None, "decoder": {"kind": "eszsl"}, "train": {"lr": 1e-3}}


def _config(**sections):
    values = {name: BASE.get(name, {}) | keys if keys is not None else None for name, keys in sections.items()}
    return validated(BASE | values, "test")


GAP = _config(decoder={"kind": "gap-text"}, train={"lr": 1e-2, "epochs": 7})
CONFIGS = (_config(), _config(decoder={"kind": "ml-decoder", "width": 48}), GAP)


def test_members_differ_in_readout_and_training_alone():
    assert len({blend_key(one) for one in CONFIGS}) == 1
    other = (
        _config(bank={"encoder": "lexical:8"}),
        _config(train={"validation": 0.3}),
        _config(evaluate={"company": "alone"}, decoder={"kind": "ml-decoder"}),
    )
    assert len({blend_key(one) for one in (*CONFIGS, *other)}) == 4
    assert blend_key(_config(decoder={"kind": "blend"})) is None
    tuned = {"name": "resnet10t", "mode": "tuned"}
    assert blend_key(validated(BASE | {"backbone": tuned, "decoder": {"kind": "gap-text"}}, "test")) is None


def test_a_variant_is_its_own_config_with_a_normalisation(tmp_path):
    path = tmp_path / "chosen.toml"
    path.write_text(as_toml(chosen_values(Candidate((1,), (1,), "image"), CONFIGS)))
    config = load_config(str(path), [])
    assert config.evaluate.normalise == "image"
    assert config.model_copy(update={"evaluate": CONFIGS[1].evaluate}) == CONFIGS[1]


@pytest.mark.parametrize("weights", [(1, 1, 1), (2, 1, 2)])
def test_a_blend_has_its_members_and_their_training(tmp_path, weights):
    path = tmp_path / "chosen.toml"
    path.write_text(as_toml(chosen_values(Candidate((0, 1, 2), weights, "image"), CONFIGS)))
    config = load_config(str(path), [])
    decoder = config.decoder
    assert decoder.kind == "blend"
    assert [member.kind for member in decoder.members] == ["eszsl", "ml-decoder", "gap-text"]
    assert [member.train for member in decoder.members] == [{}, {}, {"lr": 1e-2, "epochs": 7}]
    assert (decoder.members[1].width, decoder.normalise, config.evaluate.normalise) == (48, "image", "none")
    assert (config.train, config.held_out) == (CONFIGS[0].train, None)
    np.testing.assert_allclose(np.divide(decoder.weights, sum(decoder.weights)), np.divide(weights, sum(weights)))


def test_names():
    variants = [Variant({"decoder.kind": "eszsl"}), Variant({"decoder.kind": "ml-decoder", "train.lr": 0.1})]
    assert Candidate((1,), (1,), "none").told(variants) == "ml-decoder/0.1"
    assert Candidate((0,), (1,), "none").told([Variant({"a.b": "eszsl", "a.c": None})]) == "eszsl"
    assert Candidate((0,), (1,), "none").told([Variant({"a.b": "none", "a.c": None})]) == "none/none"
    assert Candidate.of([1, 0]).told(variants) == "eszsl + ml-decoder/0.1, by image"
    assert Candidate((0, 1), (1, 2), "image").told(variants) == "1 x eszsl + 2 x ml-decoder/0.1, by image"
