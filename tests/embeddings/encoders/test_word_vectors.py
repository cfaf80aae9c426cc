"""Models of gensim's downloader."""

import json

import numpy as np
import pytest
from gensim import downloader

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError

NAMES = ["dog", "polar bear", "Sky", "red striped circle"]


def test_a_model_of_gensims_downloader(word2vec, tmp_path, monkeypatch):
    """What the downloader leaves on disk: its index, and a folder for the model."""
    listed = {"corpora": {}, "models": {"small-vectors": {"file_name": "small-vectors.gz", "parts": 1}}}
    folder = tmp_path / "gensim-data"
    (folder / "small-vectors").mkdir(parents=True)
    (folder / "information.json").write_text(json.dumps(listed))
    (folder / "small-vectors" / "small-vectors.gz").write_bytes(word2vec.read_bytes())
    monkeypatch.setattr(downloader, "BASE_DIR", str(folder))
    monkeypatch.setattr(downloader, "urlopen", _no_network)
    np.testing.assert_array_equal(
        build_bank(NAMES, "gensim:small-vectors").vectors, build_bank(NAMES, f"gensim:{word2vec}").vectors
    )
    with pytest.raises(InputError, match="'smaller-vectors' is neither a file nor a model"):
        build_bank(NAMES, "gensim:smaller-vectors")


def _no_network(*_):
    raise OSError("no network")
