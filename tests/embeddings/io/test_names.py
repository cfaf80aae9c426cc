"""Label names: the one way in, and which of their letters set two of them apart."""

import re
import unicodedata

import numpy as np
import pytest

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.encoders.lexical import _bucket, lexical_vectors
from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.texts import read_aliases, read_labels

APART = ("माला", "मील", "मेला", "café", "cafe", "👍", "👎", "C#", "C++", "c", "a# b", "a b#", "AT&T", "?", "!", "❤", "❤️")


@pytest.mark.parametrize(
    ("given", "name"),
    [("  polar bear ", "polar bear"), (unicodedata.normalize("NFD", "café"), "café"), ("मील", "मील"), (7, "7")],
)
def test_names_are_composed_and_stripped(given, name):
    assert label_name(given, "x.txt:3") == name


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("  ", "a label name is empty"),
        (None, "label name None is not text; write it in quotes"),
        (["dog"], r"label name \['dog'\] is not text"),
        (True, "label name True is not text"),
        ("a\nb", r"label name 'a\\nb' holds a line break"),
        ("a\u2028b", "label name 'a.u2028b' holds a line break"),
        ("a\0b", r"label name 'a\\x00b' holds a line break or a zero byte"),
        ("do\ud800g", r"label name 'do\\ud800g' is not Unicode text"),
        ("-" * 100_000, r"label name '-+'... \(100,000 letters\) is too long"),
    ],
)
def test_an_invalid_name_is_refused_in_one_short_line(given, told):
    with pytest.raises(InputError, match=f"^x.txt:3: {told}") as caught:
        label_name(given, "x.txt:3")
    assert len(str(caught.value)) < 300
    assert len(str(caught.value).splitlines()) == 1


def test_files_of_names_have_them_composed(tmp_path):
    apart = unicodedata.normalize("NFD", "café")
    (tmp_path / "names.txt").write_text(f"{apart}\nmील\n", encoding="utf-16")
    assert read_labels(tmp_path / "names.txt") == ("café", "mील")
    (tmp_path / "names.txt").write_text(f"{apart}\ncafé\n")
    with pytest.raises(InputError, match="names.txt:2: label 'café' is also on line 1"):
        read_labels(tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("dog\nc\0at\n")
    with pytest.raises(InputError, match="names.txt:2: a zero byte"):
        read_labels(tmp_path / "names.txt")
    (tmp_path / "aliases.json").write_text('{"a\\nb": "c"}')
    with pytest.raises(InputError, match="aliases.json: label name 'a.nb' holds a line break"):
        read_aliases(tmp_path / "aliases.json")


def test_a_bank_has_one_vector_for_both_forms_of_a_name(tmp_path):
    apart = unicodedata.normalize("NFD", "café")
    bank = Bank((apart, "sea"), np.eye(2, dtype=np.float32))
    bank.save(tmp_path / "bank")
    for same in (bank, Bank.load(tmp_path / "bank")):
        assert same.labels == ("café", "sea")
        np.testing.assert_array_equal(same.select([apart, "café"]), [[1, 0], [1, 0]])
    with pytest.raises(InputError, match="'café' appears twice"):
        build_bank([apart, "café"], "lexical:16")
    # a table of words may have the name in pieces
    words = tmp_path / "words.txt"
    words.write_text(f"{apart} 1 2 3\nsea 4 5 6\n")
    np.testing.assert_array_equal(build_bank(["café"], f"gensim:{words}").vectors, [[1, 2, 3]])


@pytest.mark.parametrize("width", [16, 512])
def test_names_that_differ_in_marks_or_symbols_have_vectors_of_their_own(width):
    vectors = lexical_vectors(APART, width)
    assert len(np.unique(vectors, axis=0)) == len(APART)
    np.testing.assert_array_equal(lexical_vectors([unicodedata.normalize("NFD", "café")], width), vectors[3:4])
    with pytest.raises(ValueError, match="blank"):
        lexical_vectors([" "], width)


def test_vectors_of_plain_names_are_those_of_recorded_results():
    names = ["polar bear", "Old Dog", "potter's wheel", 'dog, "old"', "Ram C/V (2012)", "x_y-z", "rouge foncé"]
    expected = np.zeros((len(names), 64))
    for row, name in enumerate(names):
        for word in re.findall(r"\w+", name.lower()):
            pieces = [f"<{word}>"[at : at + n] for n in (3, 4, 5) for at in range(len(word) + 3 - n)]
            for weight, feature in [(1, f"word {word}"), *((0.25, f"ngram {piece}") for piece in pieces)]:
                bucket, sign = _bucket(feature, 64)
                expected[row, bucket] += weight * sign
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_array_equal(lexical_vectors(names, 64), expected.astype(np.float32))
