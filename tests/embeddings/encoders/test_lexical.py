"""Hashed words and letters: close spellings are near, close meanings are not."""

import pytest

from embeddings.banks.build import build_bank
from zsl.data.layouts.drawing import COLOUR_SYNONYMS, SHAPE_SYNONYMS, TEXTURES


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
