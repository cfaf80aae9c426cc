"""Readouts that compare tokens with word vectors: refused where the two are not of one pair."""

import numpy as np
import pytest

from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Provenance
from embeddings.io.errors import InputError
from tests.pairs import small_pair
from zsl.readouts.pair import PairConfig
from zsl.runs.config import RunConfig
from zsl.runs.pairs import check_aligned, misfit

TOP, BOTH = {"kind": "pair", "reading": "top"}, {"kind": "pair", "reading": "top", "mixture": 0.5}


@pytest.fixture(scope="module")
def name(pair_folder):
    return f"local-dir:{pair_folder('vit')}"


def _config(name, decoder=None, bank=None, **backbone):
    return RunConfig(
        backbone={"kind": "open_clip", "name": name} | backbone,
        decoder=decoder or {"kind": "pair"},
        bank={"encoder": "backbone"} | (bank or {}),
    )


def test_one_pair_passes(name, pair_folder):
    columns = {"kind": "pair", "columns": (0, 7)}
    joined = {"encoder": "backbone+lexical:5"}
    assert misfit(_config(name)) == misfit(_config(name, BOTH)) == ""
    assert misfit(_config(name, TOP, tokens="patches")) == misfit(_config(name, tokens="class")) == ""
    assert misfit(_config(name, {"kind": "blend", "members": (columns, {"kind": "gap-text"})}, joined)) == ""
    assert misfit(_config(name, bank={"encoder": f"open_clip:{name}", "transforms": ()})) == ""
    assert misfit(_config(name, {"kind": "eszsl"}, {"encoder": "lexical:16"})) == ""  # it learns a map


def test_the_same_weights_in_another_folder_are_the_same_pair(name, tmp_path):
    other = {"encoder": f"open_clip:local-dir:{small_pair(tmp_path / 'copy', 'vit')}"}
    assert misfit(_config(name, bank=other)) == ""


@pytest.mark.parametrize(
    ("decoder", "bank", "backbone", "words"),
    [
        ({}, {"encoder": "lexical:7"}, {}, "the word vectors are of lexical:7, in another space than local-dir:"),
        ({}, {"encoder": "backbone+lexical:5"}, {}, 'or give a member of a blend columns = [0, 7] of "backbone+OTHER"'),
        ({}, {"transforms": ("l2", "center")}, {}, "the transform 'center' moves the word vectors out of the pair's"),
        (
            {},
            {},
            {"tokens": "patches"},
            'backbone.tokens = "patches" gives no token of the whole image; set backbone.t',
        ),
        (
            TOP,
            {},
            {"tokens": "class"},
            'backbone.tokens = "class" gives no tokens of patches; set backbone.tokens = "a',
        ),
        (BOTH, {}, {"tokens": "patches"}, 'backbone.tokens = "patches" gives no token of the whole image'),
        (
            {"kind": "blend", "members": ({"kind": "eszsl"}, {"kind": "pair", "columns": (1, 8)})},
            {"encoder": "backbone+lexical:5"},
            {},
            "decoder.members.2.kind = 'pair' compares tokens with word vectors as they are, but the word vectors of",
        ),
    ],
)
def test_what_is_not_aligned_is_refused(name, decoder, bank, backbone, words):
    told = misfit(_config(name, decoder, bank, **backbone))
    assert words in told
    assert "\n" not in told


def test_backbones_and_tokens_of_no_pair_are_refused(name, monkeypatch):
    of_timm = RunConfig(backbone={"name": "resnet10t"}, decoder=PairConfig())
    with pytest.raises(InputError, match="but backbone 'resnet10t' is no image-text pair; set backbone.kind = 'open_c"):
        check_aligned(of_timm)
    stored = RunConfig(decoder=PairConfig(), data={"name": "tokens", "root": "tokens"})
    made = {"backbone": {"name": "resnet10t"}}
    monkeypatch.setattr(type(stored.data), "made_with", lambda self: made)
    with pytest.raises(
        InputError, match="but the tokens are of resnet10t, which is no image-text pair; extract tokens"
    ):
        check_aligned(stored)
    made["backbone"] = {"kind": "open_clip", "name": name, "tokens": "patches"}
    with pytest.raises(InputError, match='"patches" gives no token of the whole image; extract them again with'):
        check_aligned(stored)
    made.clear()
    with pytest.raises(InputError, match="but nothing says which pair made the tokens of tokens; extract tokens with"):
        check_aligned(stored)


def test_a_given_bank_says_where_its_vectors_come_from(name, tmp_path):
    config, vectors = _config(name), np.eye(2, 7)
    own = Bank(("sky", "dog"), vectors, Provenance(encoder=f"open_clip:{name}"))
    check_aligned(config, own)
    other = Bank(("sky", "dog"), vectors)
    with pytest.raises(InputError, match="the word vectors are of given, in another space"):
        check_aligned(config, other)
    other.save(tmp_path / "bank.safetensors")
    with pytest.raises(InputError, match="the word vectors are of given, in another space"):
        check_aligned(_config(name, bank={"file": tmp_path / "bank.safetensors"}))
