"""Names out of vocabulary: each way of the policy, on a small real table."""

import numpy as np
import pytest
from gensim.models import FastText

from embeddings.encoders.fasttext_models import subword_table
from embeddings.encoders.oov import DEFAULT_POLICY, check_policy, gather, look_up, singulars, spellings
from embeddings.encoders.seeded import random_vectors
from embeddings.encoders.word_table import RowTable
from embeddings.io.errors import InputError

WORDS = ["dog", "polar_bear", "polar", "bear", "Paris", "city", "leaf", "tomato", "box", "woman", "glass"]
WORDS += ["child", "person", "foot", "mouse", "man"]


@pytest.fixture
def table():
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32)
    return RowTable({word: row for row, word in enumerate(WORDS)}, vectors, "words.txt")


def _found(table, texts, policy):
    plan, found = look_up(table, texts, policy, seed=5)
    return np.concatenate(list(gather(plan, found))), plan


def _vector(table, word):
    return table.vectors[table.rows[word]]


@pytest.mark.parametrize(
    ("text", "policy", "key"),
    [
        ("dog", (), "dog"),
        ("polar bear", ("phrase",), "polar_bear"),
        ("Dog", ("lower",), "dog"),
        ("Polar Bear", ("phrase", "lower"), "polar_bear"),
        ("Paris", DEFAULT_POLICY, "Paris"),
        ("dogs", ("singular",), "dog"),
        ("Dogs", ("lower", "singular"), "dog"),
        ("cities", ("singular",), "city"),
        ("leaves", ("singular",), "leaf"),
        ("tomatoes", ("singular",), "tomato"),
        ("boxes", ("singular",), "box"),
        ("women", ("singular",), "woman"),
        ("children", ("singular",), "child"),
        ("people", ("singular",), "person"),
        ("feet", ("singular",), "foot"),
        ("mice", ("singular",), "mouse"),
        ("men", ("singular",), "man"),
        ("glasses", ("singular",), "glass"),
        ("Polar Bears", ("phrase", "lower", "singular"), "polar_bear"),
    ],
)
def test_spellings_are_found_and_noted(table, text, policy, key):
    vectors, plan = _found(table, [text], policy)
    np.testing.assert_array_equal(vectors, [_vector(table, key)])
    assert plan.notes == ["" if key == text else f"vector of {key!r}"]


def test_the_unchanged_name_comes_before_other_spellings(table):
    table = RowTable({**table.rows, "DOG": len(WORDS)}, np.concatenate([table.vectors, np.ones((1, 7))]), "words.txt")
    vectors, _ = _found(table, ["DOG"], ("lower",))
    np.testing.assert_array_equal(vectors, [_vector(table, "DOG")])


def test_parts_are_averaged_where_all_are_found(table):
    vectors, plan = _found(table, ["polar dog", "bears-city"], ("singular", "parts"))
    expected = [(_vector(table, a) + _vector(table, b)) / 2 for a, b in (("polar", "dog"), ("bear", "city"))]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert plan.notes == ["mean of 'polar', 'dog'", "mean of 'bear', 'city'"]
    with pytest.raises(InputError, match="'polar cat'"):
        _found(table, ["polar cat"], ("parts",))
    with pytest.raises(InputError, match="'bears city'"):  # singulars come after
        _found(table, ["bears city"], ("parts", "singular"))


def test_the_whole_phrase_comes_before_its_parts(table):
    vectors, plan = _found(table, ["polar bear"], ("phrase", "parts"))
    np.testing.assert_array_equal(vectors, [_vector(table, "polar_bear")])
    vectors, plan = _found(table, ["polar bear"], ("parts", "phrase"))
    assert plan.notes == ["mean of 'polar', 'bear'"]


def test_an_error_lists_the_names_with_their_nearest(table):
    with pytest.raises(InputError, match=r"words.txt for 2 label\(s\): 'dogs' \(nearest: 'dog'\), 'zzz'; rename"):
        _found(table, ["dogs", "dog", "zzz"], DEFAULT_POLICY)


def test_random_fills_by_name_and_seed(table):
    vectors, plan = _found(table, ["dog", "zzz"], ("random",))
    np.testing.assert_array_equal(vectors[1], random_vectors(["zzz"], 7, 5)[0])
    assert plan.notes == ["", "random vector"]


def test_skip_leaves_names_out(table):
    vectors, plan = _found(table, ["zzz", "dog", "yyy", "city"], ("skip",))
    np.testing.assert_array_equal(vectors, [_vector(table, "dog"), _vector(table, "city")])
    assert plan.skipped == [0, 2]


def test_subwords_are_those_of_gensim(table):
    trained = FastText([["dog", "bear"], ["city", "dog"]] * 9, vector_size=7, min_count=1, workers=1, bucket=50).wv
    vectors, plan = _found(subword_table(trained, "ft"), ["dog", "doggy town"], ("subwords",))
    np.testing.assert_array_equal(vectors, [trained["dog"], trained["doggy town"]])
    assert plan.notes == ["", "from subwords"]
    with pytest.raises(InputError, match=r"words.txt has no subwords"):
        _found(table, ["doggy"], ("subwords",))


@pytest.mark.parametrize(
    ("policy", "message"), [(("fuzzy",), "unknown policy 'fuzzy'"), (("skip", "lower"), "skip must be the last step")]
)
def test_impossible_policies_are_refused(policy, message):
    with pytest.raises(InputError, match=message):
        check_policy(policy)


def test_singulars_are_candidates_not_guesses():
    assert singulars("bus") == ("bu",)
    assert singulars("glass") == singulars("sky") == singulars("s") == ()
    assert spellings("a b", ("phrase", "parts", "lower")) == [["a b"], ["a_b"], [], []]
