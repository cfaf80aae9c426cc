"""The real names of NUS-WIDE under their GloVe vectors; ZSL_NUS_WIDE names the folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embeddings.banks.build import build_bank
from embeddings.banks.similarity import duplicates
from embeddings.texts import read_labels

FOLDER = os.environ.get("ZSL_NUS_WIDE")


@pytest.mark.skipif(FOLDER is None, reason="ZSL_NUS_WIDE is not set: no folder with NUS-WIDE's names and vectors")
def test_all_1006_names_have_their_vectors_in_order():
    folder = Path(str(FOLDER))
    unseen = read_labels(folder / "Concepts81.txt")
    seen = [name for name in read_labels(folder / "TagList1k.txt") if name not in unseen]
    vectors = folder / "glove300.word2vec.txt"
    bank = build_bank([*seen, *unseen], f"gensim:{vectors}", num_seen=len(seen))
    assert (len(bank.seen), len(bank.unseen)) == (925, 81)
    expected = KeyedVectors.load_word2vec_format(str(vectors))
    np.testing.assert_allclose(bank.vectors, expected[[*seen, *unseen]], rtol=0, atol=1e-6)
    assert [set(group) for group in duplicates(bank)] == [{"interesting", "interestingness"}]
