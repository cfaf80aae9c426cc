"""Banks: saved content is read back, and damaged files are refused."""

import re
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file

from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Provenance
from embeddings.banks.transforms import fit_transforms
from embeddings.io import hashed_file
from embeddings.io.errors import InputError

LABELS = ("sky", "polar bear", 'naïve "art", café', "狗", "a" * 300)


def _bank():
    vectors = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    made = Provenance("gensim:x.txt", "sha256 0", ("a photo of a {}", "{}"), "hash", ("lower", "skip"), 3, ("zzz",))
    fitted = fit_transforms(("l2", "center"), vectors[:3], (3, 4))
    return Bank(LABELS, vectors, made, ("", "vector of 'polar_bear'", "", "", ""), 3, fitted)


def test_a_saved_and_loaded_bank_is_the_same(tmp_path):
    bank = _bank()
    bank.save(tmp_path / "bank.safetensors")
    loaded = Bank.load(tmp_path / "bank.safetensors")
    assert loaded.labels == bank.labels
    assert loaded.notes == bank.notes
    assert loaded.provenance == bank.provenance
    assert (loaded.seen, loaded.unseen) == (LABELS[:3], LABELS[3:])
    assert [t.name for t in loaded.transforms] == ["l2", "center"]
    np.testing.assert_array_equal(loaded.transforms[1].arrays["mean"], bank.transforms[1].arrays["mean"])
    np.testing.assert_array_equal(loaded.vectors, bank.vectors)
    assert loaded.sha256 == bank.sha256


def test_the_vectors_of_a_file_are_mapped(tmp_path):
    path = tmp_path / "bank.safetensors"
    _bank().save(path)
    loaded = Bank.load(path)
    assert isinstance(loaded.vectors.base, np.memmap)
    loaded.vectors[0] = 1  # of this process alone
    np.testing.assert_array_equal(Bank.load(path).vectors, _bank().vectors)
    with pytest.raises(ValueError, match="read-only"):
        Bank.load(path, writable=False).vectors[0] = 1


def test_the_file_is_one_that_safetensors_reads(tmp_path):
    _bank().save(tmp_path / "bank.safetensors")
    np.testing.assert_array_equal(load_file(tmp_path / "bank.safetensors")["vectors"], _bank().vectors)


def test_the_same_bank_is_the_same_bytes(tmp_path):
    _bank().save(tmp_path / "a")
    Bank.load(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_any_flipped_byte_is_an_error(tmp_path):
    path = tmp_path / "bank.safetensors"
    _bank().save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"bank\.safetensors (is damaged|is not an intact bank)"):
            Bank.load(path)


def test_a_file_cut_short_is_an_error(tmp_path):
    path = tmp_path / "bank.safetensors"
    _bank().save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"bank\.safetensors"):
            Bank.load(path)


@pytest.mark.parametrize("content", [b"", b"not a bank", b"\x02\x00\x00\x00\x00\x00\x00\x00{}", b"\xff" * 40])
def test_other_files_are_not_banks(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="not an intact bank"):
        Bank.load(tmp_path / "x")
    with pytest.raises(InputError, match="no bank file"):
        Bank.load(tmp_path / "y")


def _seal(path, content):
    """Writes a bank's bytes, changed by someone who then gave them their right hash."""
    sha256 = re.search(rb'"sha256": "([0-9a-f]{64})"', content).group(1)
    with path.open("wb") as file:
        hashed_file.dump(file, content.replace(sha256, hashed_file.NO_HASH.encode(), 1))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (np.zeros(7), "x: label 'polar bear' has a zero vector; build it again"),
        (np.full(7, np.nan), "x: label 'polar bear' has a non-finite vector; build it again"),
        (np.full(7, -np.inf), "x: label 'polar bear' has a non-finite vector; build it again"),
    ],
)
def test_a_file_with_zero_or_non_finite_vectors_is_refused(tmp_path, row, message):
    bank = _bank()
    bank.save(tmp_path / "x")
    changed = bank.vectors.copy()
    changed[1] = row
    _seal(tmp_path / "x", (tmp_path / "x").read_bytes().replace(bank.vectors.tobytes(), changed.tobytes()))
    with pytest.raises(InputError, match=message):
        Bank.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"zsl-bank/2", b"zsl-bank/1", "x is a bank of another version"),
        (b'"shape": [5, 7]', b'"shape": [5, 70000000000]', "x is not an intact bank file .140 bytes for a tensor"),
        (b'"shape": [5, 7]', b'"shape": [5, -7]', "x is not an intact bank file .*greater than or equal to 0"),
        (b'"shape": [5, 7]', b'"shape": [7, 5]', "x is not an intact bank file .*needs vectors of shape"),
        (b'"shape": [5, 7]', b'"shape": [5, ' + b"7" * 5000 + b"]", "x is not an intact bank file .*digits"),
        (b'"shape": [5, 7]', b'"shape": ' + b"[" * 100_000, "x is not an intact bank file .*nested too deeply"),
        (b'"dtype": "F32"', b'"dtype": "O"', "x is not an intact bank file .*vectors.dtype"),
        (b'\\"num_seen\\": 3', b'\\"num_seen\\": {}', "x is damaged .num_seen"),
        (b'\\"num_seen\\": 3', b'\\"num_seen\\": 9', "x is not an intact bank file .*cannot have 9 seen ones"),
        (b'\\"seed\\": 3', b'\\"seed\\": ' + b"[" * 100_000, "x is damaged .nested too deeply"),
        (b'["sky", ', b'[12345, ', "x is not an intact bank file .*valid string"),
        (b'["sky", "polar bear"', b'["sky", "sky"       ', "x is not an intact bank file .*'sky' is in the bank twice"),
        (b'{"1": ', b'{"9": ', "x is not an intact bank file"),
        (b'{"1": ', b'{"x": ', "x is not an intact bank file .*valid integer"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_false_header_gives_a_one_line_error(tmp_path, old, new, message):
    _bank().save(tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    assert content.count(old) == 1
    content = content.replace(old, new)
    begin = content.index(b"{")
    length = content.index(b"}}", begin) + 2  # of the last tensor's entry
    length += len(content) - length - len(content[length:].lstrip(b" "))
    _seal(tmp_path / "x", struct.pack("<Q", length - begin) + content[begin:])
    with pytest.raises(InputError, match=message) as caught:
        Bank.load(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_select_keeps_the_order_asked_for():
    bank = _bank()
    np.testing.assert_array_equal(bank.select(["polar bear", "sky"]), bank.vectors[[1, 0]])
    with pytest.raises(InputError, match=r"no vector in the bank for 1 label\(s\): 'polar bears' \(nearest: 'polar b"):
        bank.select(["sky", "polar bears"])


@pytest.mark.parametrize(
    ("labels", "vectors", "message"),
    [
        (("a", "a"), np.ones((2, 3)), "'a' is in the bank twice"),
        (("a", "b"), np.ones((3, 3)), r"needs vectors of shape \(2, embed\)"),
        (("a", "b"), np.array([[1, 2], [np.nan, 0]]), "'b' has a non-finite vector"),
        (("a", "b"), np.array([[0.0, 0], [1, 0]]), "'a' has a zero vector"),
        ((), np.ones((0, 3)), "at least one label"),
    ],
)
def test_parts_that_do_not_fit_are_named(labels, vectors, message):
    with pytest.raises(InputError, match=message):
        Bank(labels, vectors)


@pytest.mark.parametrize("num_seen", [0, 3])
def test_a_bank_has_seen_labels_of_its_own(num_seen):
    with pytest.raises(InputError, match=f"cannot have {num_seen} seen"):
        Bank(("a", "b"), np.ones((2, 3)), num_seen=num_seen)
