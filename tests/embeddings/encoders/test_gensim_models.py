"""gensim's own files against gensim's loader; a pickle runs nothing, and takes neither memory nor time."""

import pickle

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from tests.embeddings.encoders.words import KEYS, NAMES, TAGS


@pytest.mark.parametrize("sep_limit", [10**9, 1])  # arrays inside the file, or in files of their own
def test_gensims_own_files(keyed, tmp_path, sep_limit):
    keyed.save(str(tmp_path / "v.kv"), sep_limit=sep_limit)
    assert (tmp_path / "v.kv.vectors.npy").exists() == (sep_limit == 1)
    bank = build_bank(NAMES, f"gensim:{tmp_path / 'v.kv'}")
    expected = KeyedVectors.load(str(tmp_path / "v.kv"))
    np.testing.assert_array_equal(bank.vectors, [expected[key] for key in KEYS])
    model = Word2Vec(TAGS, vector_size=7, min_count=1, workers=1)
    model.save(str(tmp_path / "v.model"), sep_limit=sep_limit)
    bank = build_bank(NAMES, f"gensim:{tmp_path / 'v.model'}")
    np.testing.assert_array_equal(bank.vectors, [model.wv[key] for key in KEYS])


class Trap:
    """A pickle of it touches a file when it is read as pickles are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.touch, ())


class Fake:
    """A pickle of it is an object with these attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def _state(**changed):
    whole = {"key_to_index": {"dog": 0, "sky": 1}, "vectors": np.ones((2, 3), np.float32)}
    return Fake(**(whole | changed))


class ForgedType:
    """Pickles as a numpy dtype of Python objects whose flags say that there are none: numpy would follow the bytes."""

    def __reduce__(self):
        state = (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)
        return (np.dtype, ("V8", False, True), state)


class ForgedArray:
    def __reduce__(self):
        reconstruct = np.ones(1).__reduce__()[0]
        return (reconstruct, (np.ndarray, (0,), b"b"), (1, (2, 1), ForgedType(), False, b"A" * 16))


@pytest.mark.parametrize(
    "content",
    [
        lambda path: Trap(path),
        lambda path: {"wv": Trap(path)},
        lambda path: [Trap(path)],
        lambda path: _state(vectors=Trap(path)),
        lambda path: _state(vectors=ForgedArray()),
        lambda path: _state(vectors=None),
        lambda path: _state(vectors=[[1.0], [2.0]]),
        lambda path: _state(vectors=np.array([["a"], [1]], object)),
        lambda path: _state(vectors=np.ones((2, 3), np.int64)),
        lambda path: _state(key_to_index={"dog": 7, "sky": 1}),
        lambda path: _state(key_to_index={"dog": -1, "sky": 1}),
        lambda path: _state(key_to_index={"dog": "x", "sky": 1}),
        lambda path: _state(key_to_index={3: 0, 4: 1}),
        lambda path: _state(vectors_vocab=np.ones((2, 3), np.float32)),
    ],
)
def test_a_pickle_runs_nothing_and_must_hold_words_and_numbers(tmp_path, content):
    (tmp_path / "v.kv").write_bytes(pickle.dumps(content(tmp_path / "sprung")))
    with pytest.raises(InputError, match="v.kv (holds no word vectors|is a damaged gensim file)"):
        build_bank(["sky", "dog"], f"gensim:{tmp_path / 'v.kv'}")
    assert not (tmp_path / "sprung").exists()


def _twofold(value):
    """Opcodes of a tuple of tuples, 2^100 values in 300 bytes, which takes for ever to hash."""
    return value + b"".join(b"\x94h" + bytes([place]) + b"\x86" for place in range(100))


@pytest.mark.parametrize(
    "content",
    [
        b"}" + _twofold(b")") + b"K\1s.",  # a key of a dict
        b"}(" + _twofold(b")") + b"K\1u.",
        b"\x8f(" + _twofold(b")") + b"\x90.",  # an item of a set
        b"(" + _twofold(b")") + b"\x91.",
        b"Nr\xff\xff\xff\xff.",  # room for four billion values
        b"\x96" + (1 << 40).to_bytes(8, "little") + b".",  # a terabyte, for a bytearray
        b"\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",
        b"I" + b"9" * 5000 + b"\n.",
        b"(" * 10_000 + b".",
        b"]" * 10_000 + b"a" * 9_999 + b".",
    ],
)
def test_a_pickle_takes_neither_memory_nor_time(tmp_path, content):
    (tmp_path / "v.kv").write_bytes(b"\x80\4" + content)
    with pytest.raises(InputError, match="v.kv (holds no word vectors|is a damaged gensim file)"):
        build_bank(["sky"], f"gensim:{tmp_path / 'v.kv'}")


def test_an_honest_pickle_of_the_same_kind_is_read(tmp_path):
    (tmp_path / "v.kv").write_bytes(pickle.dumps(_state()))
    np.testing.assert_array_equal(build_bank(["sky"], f"gensim:{tmp_path / 'v.kv'}").vectors, [[1, 1, 1]])


def test_damage_to_gensims_own_files_is_named(keyed, tmp_path):
    keyed.save(str(tmp_path / "v.kv"), sep_limit=1)
    whole = (tmp_path / "v.kv").read_bytes()
    (tmp_path / "v.kv").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="v.kv is a damaged gensim file"):
        build_bank(NAMES, f"gensim:{tmp_path / 'v.kv'}")
    (tmp_path / "v.kv").write_bytes(whole)
    array = tmp_path / "v.kv.vectors.npy"
    array.write_bytes(array.read_bytes()[:100])
    with pytest.raises(InputError, match="v.kv.vectors.npy cannot be read as gensim's vectors"):
        build_bank(NAMES, f"gensim:{tmp_path / 'v.kv'}")
    array.unlink()
    with pytest.raises(InputError, match="no file .*v.kv.vectors.npy"):
        build_bank(NAMES, f"gensim:{tmp_path / 'v.kv'}")
