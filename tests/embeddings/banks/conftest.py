"""A table of words, saved as a file, and its spec."""

from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tests.embeddings.banks.words import WORDS


@pytest.fixture
def table(tmp_path: Path) -> tuple[KeyedVectors, str]:
    keyed = KeyedVectors(7)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(41, 7)).astype(np.float32))
    keyed.save(str(tmp_path / "v.kv"), sep_limit=1)
    return keyed, f"gensim:{tmp_path / 'v.kv'}"
