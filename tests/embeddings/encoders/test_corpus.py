"""Vectors trained on tag lists against those of gensim."""

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError

TAGS = [["dog", "sky", "polar bear"], ["red circle", "dog"], ["striped dog", "sky"]] * 5
POLICY = ("phrase", "lower", "parts")


@pytest.mark.parametrize("name", ["word2vec", "fasttext"])
def test_corpus_vectors_are_those_that_gensim_trains(tmp_path, name):
    family, kind = {"word2vec": ("corpus", Word2Vec), "fasttext": ("corpus-fasttext", FastText)}[name]
    sentences = [[word for tag in tags for word in tag.split()] for tags in TAGS]
    options = {"vector_size": 9, "epochs": 3, "window": 1000, "min_count": 1, "sg": 1, "sample": 0}
    options |= {"bucket": 50_000} if name == "fasttext" else {}
    expected = kind(sentences, workers=1, seed=5, **options).wv
    (tmp_path / "tags.txt").write_text("\n".join("\t".join(tags) for tags in TAGS))
    bank = build_bank(["sky", "red dog"], f"{family}:{tmp_path}/tags.txt,epochs=3,width=9", oov=POLICY, seed=4)
    np.testing.assert_allclose(bank.vectors[0], expected["sky"], atol=1e-6)
    np.testing.assert_allclose(bank.vectors[1], (expected["red"] + expected["dog"]) / 2, atol=1e-6)
    for lists in (TAGS, lambda: iter(TAGS)):
        in_hand = build_bank(["sky"], f"{family}:epochs=3,width=9", oov=POLICY, seed=4, tag_lists=lists)
        np.testing.assert_array_equal(in_hand.vectors[0], bank.vectors[0])


def test_corpus_needs_lists_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="needs tag lists"):
        build_bank(["sky"], "corpus")
    (tmp_path / "tags.txt").write_text("sky\ndog\n")
    with pytest.raises(InputError, match="no list has two words"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt")
    with pytest.raises(InputError, match="no file of tag lists .*tags.txt,size=3"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,size=3")
    with pytest.raises(InputError, match="gives an option twice"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,width=3,width=4")
    (tmp_path / "pairs.txt").write_text("sky,dog\n")
    with pytest.raises(InputError, match="no word appears 3 times"):
        build_bank(["sky"], f"corpus:{tmp_path}/pairs.txt,min_count=3")
    assert build_bank(["sky"], f"corpus:{tmp_path}/pairs.txt,width=3", seed=2**32 - 1).embed_dim == 3
    for width in ("0", "65537", "9" * 5000):
        with pytest.raises(InputError, match="width=.* is not a positive number up to 65536"):
            build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,width={width}")
    with pytest.raises(InputError, match="no file of tag lists"):
        build_bank(["sky"], f"corpus:{tmp_path}/nowhere.txt")
