"""Vector files against gensim's own loaders: every format, and what is wrong with a file told with its place."""

import gzip
import pickle

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model

from embeddings import InputError, build_bank

WORDS = ["dog", "polar_bear", "sky", "naïve", "狗", "New York", "cat", "tree", "boat", "red", "blue"]
NAMES = ["sky", "polar bear", "狗", "dog"]
KEYS = ["sky", "polar_bear", "狗", "dog"]
TAGS = [["dog", "sky", "polar_bear"], ["狗", "tree", "sky"], ["dog", "polar_bear", "狗"]] * 7


@pytest.fixture
def keyed():
    keyed = KeyedVectors(7)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32))
    return keyed


def _zipped(path):
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    return path.with_name(path.name + ".gz")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_word2vec_formats(keyed, tmp_path, binary, zipped):
    keyed.key_to_index.pop("New York")  # gensim writes words with spaces, and cannot read them
    keyed.index_to_key.remove("New York")
    keyed.key_to_index = {word: row for row, word in enumerate(keyed.index_to_key)}
    keyed.vectors = np.delete(keyed.vectors, 5, axis=0)
    keyed.save_word2vec_format(str(tmp_path / "v"), binary=binary)
    path = _zipped(tmp_path / "v") if zipped else tmp_path / "v"
    expected = KeyedVectors.load_word2vec_format(str(path), binary=binary)
    bank = build_bank(NAMES, f"gensim:{path}")
    np.testing.assert_allclose(bank.vectors, [expected[key] for key in KEYS], rtol=0, atol=1e-6)
    assert bank.notes == ("", "vector of 'polar_bear'", "", "")


def test_glove_without_a_header_and_with_spaces_in_words(keyed, tmp_path):
    lines = [" ".join([word, *map(repr, vector.tolist())]) for word, vector in zip(WORDS, keyed.vectors, strict=True)]
    (tmp_path / "glove.txt").write_text("\n".join(lines), encoding="utf-8")
    bank = build_bank([*KEYS, "New York"], f"gensim:{tmp_path / 'glove.txt'}")
    np.testing.assert_allclose(bank.vectors, [keyed[key] for key in [*KEYS, "New York"]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("header", [b"2 2\r\n", b""])
def test_a_byte_order_mark_and_carriage_returns(tmp_path, header):
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbf" + header + b"sky 1 2\r\ndog 3 4\r\n")
    np.testing.assert_array_equal(build_bank(["dog", "sky"], f"gensim:{tmp_path / 'v.txt'}").vectors, [[3, 4], [1, 2]])


def test_a_word_that_stands_twice_has_its_first_vector(tmp_path):
    (tmp_path / "v.txt").write_text("2 2\ndog 1 2\ndog 3 4\n")
    np.testing.assert_array_equal(build_bank(["dog"], f"gensim:{tmp_path / 'v.txt'}").vectors, [[1, 2]])


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


@pytest.mark.parametrize("name", ["f.bin", "f.model", "f.kv"])
@pytest.mark.parametrize("sep_limit", [10**9, 1])
def test_fasttext_with_subwords(tmp_path, name, sep_limit):
    model = FastText(TAGS, vector_size=7, min_count=1, workers=1, bucket=101)
    path = str(tmp_path / name)
    if name == "f.bin":
        save_facebook_model(model, path)
        expected = load_facebook_vectors(path)
    else:
        saved = model if name == "f.model" else model.wv
        saved.save(path, sep_limit=sep_limit)
        expected = model.wv
    labels = [*NAMES, "doggies", "polar dog"]
    bank = build_bank(labels, f"gensim:{path}", oov=("phrase", "subwords"))
    np.testing.assert_allclose(bank.vectors, [expected[key] for key in [*KEYS, "doggies", "polar dog"]], atol=1e-6)
    assert bank.notes[-2:] == ("from subwords", "from subwords")
    with pytest.raises(InputError, match=r"'doggies' \(nearest: 'dog'\)"):
        build_bank(labels, f"gensim:{path}")


@pytest.mark.parametrize("name", ["f.bin", "f.kv"])
def test_fasttext_without_ngrams_has_no_subwords(tmp_path, name):
    model = FastText(TAGS, vector_size=7, min_count=1, workers=1, bucket=101, max_n=0)
    path = str(tmp_path / name)
    save_facebook_model(model, path) if name == "f.bin" else model.wv.save(path)
    np.testing.assert_allclose(build_bank(["dog"], f"gensim:{path}").vectors, [model.wv["dog"]], atol=1e-6)
    with pytest.raises(InputError, match="has no subwords"):
        build_bank(["doggies"], f"gensim:{path}", oov=("subwords",))


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
    model = FastText(TAGS, vector_size=7, min_count=1, workers=1, bucket=101)
    save_facebook_model(model, str(tmp_path / "f.bin"))
    whole = (tmp_path / "f.bin").read_bytes()
    for size in (5, 100, len(whole) // 2):
        (tmp_path / "f.bin").write_bytes(whole[:size])
        with pytest.raises(InputError, match="f.bin is a truncated or damaged fastText file"):
            build_bank(NAMES, f"gensim:{tmp_path / 'f.bin'}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "v:1: neither a header"),
        (b"two words\n", "v:1: neither a header"),
        (b"<html>\n<body>\n", "v:1: neither a header"),
        (b"3 2\nsky 1 2\ndog 1 2\n", "v:1: the header says 3 words, but 2 follow"),
        (b"1 2\nsky 1 2\ndog 1 2\n", "v:1: the header says 1 words, but 2 follow"),
        (b"2 2\nsky 1 2\ndog 1\n", "v:3: 1 numbers, but the header says 2"),
        (b"sky 1 2\ndog 1", "v:2: 1 numbers, but line 1 has 2"),
        (b"1 2\nsky 1 2 3\n", "v:2: 3 numbers, but the header says 2"),
        (b"2 3\nsky 1 2\ndog 1 2\n", "v:2: 2 numbers, but the header says 3"),
        (b"1 2\nsky 0,1 0,2\n", "v:2: the vector of 'sky' is not numbers"),
        (b"sky\t1\t2\n", "v:1: neither a header .* between tabs"),
        (b"2 2\nsky 1 2\n\xff\xfe 1 2\n", "v:3: a word that is not UTF-8"),
        (b"2 2\nsky 1 2\ndog 1 nan\n", "v:3: 'dog' has a non-finite vector"),
        (b"2 2\nsky 0 0\ndog 1 2\n", "v:2: 'sky' has a zero vector"),
        (b"2 2\nsky 1 2\ndog 1 x\n", "v:3: the vector of 'dog' is not numbers"),
        (b"2 2\nsky " + b"\0\0\x80?" * 2 + b"\ndog \0\0", "v: word 2 of 2: the file ends or is damaged"),
        (b"1 2\nsky " + b"\0\0\x80?" * 2 + b"\ndog " + b"\0\0\x80?" * 2, "v:1: more than the 1 words"),
        (b"1 2\nsky " + b"\0\0\xc0\x7f" * 2, "v: word 1 of 1: 'sky' has a non-finite vector"),
        (gzip.compress(b"1 2\nsky 1 2\n", mtime=0)[:-12], "v is a damaged gzip file"),
        (b"\x1f\x8bno gzip", "v is a damaged gzip file"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(InputError, match=message):
        build_bank(["sky", "dog"], f"gensim:{tmp_path / 'v'}")


def test_a_fault_in_a_line_that_nobody_asks_for_is_found_where_it_can_be(tmp_path):
    (tmp_path / "v").write_text("3 2\nsky 1 2\ncat 0\ndog 1 2\n")
    with pytest.raises(InputError, match="v:3: 1 numbers, but the header says 2"):
        build_bank(["sky"], f"gensim:{tmp_path / 'v'}")
