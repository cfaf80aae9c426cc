"""A table of words that several tests save in their formats."""

from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tests.embeddings.encoders.words import WORDS


@pytest.fixture
def keyed() -> KeyedVectors:
    keyed = KeyedVectors(7)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32))
    return keyed


@pytest.fixture
def word2vec(tmp_path: Path) -> Path:
    """A file of vectors, by its path."""
    table = KeyedVectors(7)
    keys = ["dog", "polar_bear", "sky", "red_striped_circle", "cat"]
    table.add_vectors(keys, np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32))
    path = tmp_path / "vectors.txt"
    table.save_word2vec_format(str(path), binary=False)
    return path
