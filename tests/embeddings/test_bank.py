"""Banks: what goes in comes out, and what is broken is said."""

import numpy as np
import pytest

from embeddings import Bank, InputError, Provenance


def _bank():
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    made = Provenance("gensim:x.txt", "a photo of a {}", "sha256 0", ("l2",))
    return Bank(("sky", "polar bear", 'naïve "art", café'), vectors, made, ("", "vector of 'polar_bear'", ""))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    bank = _bank()
    bank.save(tmp_path / "bank.safetensors")
    loaded = Bank.load(tmp_path / "bank.safetensors")
    assert loaded.labels == bank.labels
    assert loaded.notes == bank.notes
    assert loaded.provenance == bank.provenance
    np.testing.assert_array_equal(loaded.vectors, bank.vectors)
    assert loaded.sha256 == bank.sha256


def test_the_same_bank_is_the_same_bytes(tmp_path):
    _bank().save(tmp_path / "a")
    _bank().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_any_flipped_byte_is_an_error(tmp_path):
    path = tmp_path / "bank.safetensors"
    _bank().save(path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"bank\.safetensors"):
            Bank.load(path)


@pytest.mark.parametrize("content", [b"", b"not a bank", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_other_files_are_not_banks(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="not an intact bank"):
        Bank.load(tmp_path / "x")
    with pytest.raises(InputError, match="no bank file"):
        Bank.load(tmp_path / "y")


def test_select_keeps_the_order_asked_for():
    bank = _bank()
    np.testing.assert_array_equal(bank.select(["polar bear", "sky"]), bank.vectors[[1, 0]])
    with pytest.raises(InputError, match=r"no vector in the bank for 1 label\(s\): 'polar bears' \(nearest: 'polar b"):
        bank.select(["sky", "polar bears"])


@pytest.mark.parametrize(
    ("labels", "vectors", "message"),
    [
        (("a", "a"), np.ones((2, 3)), "'a' stands twice"),
        (("a", "b"), np.ones((3, 3)), r"needs vectors of shape \(2, embed\)"),
        (("a", "b"), np.array([[1, 2], [np.nan, 0]]), "'b' has a non-finite vector"),
        (("a", "b"), np.array([[0.0, 0], [1, 0]]), "'a' has a zero vector"),
        ((), np.ones((0, 3)), "at least one label"),
    ],
)
def test_parts_that_do_not_fit_are_named(labels, vectors, message):
    with pytest.raises(InputError, match=message):
        Bank(labels, vectors)
