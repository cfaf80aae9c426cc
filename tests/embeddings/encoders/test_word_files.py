"""Vector files against gensim's own loaders: every format, and what is wrong with a file told with its place."""

import gzip
import pickle
import re
from contextlib import nullcontext

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model

from embeddings.banks.build import build_bank
from embeddings.encoders import word_files
from embeddings.encoders.fasttext_models import load_fasttext
from embeddings.encoders.oov import look_up
from embeddings.io.errors import InputError, InputWarning

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


@pytest.fixture
def fasttext_file(tmp_path):
    model = FastText(TAGS, vector_size=7, min_count=1, workers=1, bucket=101, min_n=4)
    save_facebook_model(model, str(tmp_path / "f.bin"))
    return tmp_path / "f.bin", model.wv


def test_a_fasttext_file_cut_anywhere_is_an_error_at_once(fasttext_file):
    path, keyed = fasttext_file
    whole = path.read_bytes()
    output = 17 + 4 * keyed.vectors_vocab.size  # the other layer's weights, which are not read
    vectors = len(whole) - output - keyed.vectors_vocab.nbytes - keyed.vectors_ngrams.nbytes
    for size in (*range(0, vectors, 3), *range(vectors, len(whole) - output, 499)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="f.bin is a truncated or damaged fastText file"):
            load_fasttext(path)
    path.write_bytes(whole[:-output])
    assert sorted(load_fasttext(path).words()) == sorted(keyed.key_to_index)


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (8, b"\x08\0\0\0", "truncated or damaged .* vectors of 7 numbers"),
        (40, b"\xff\xff\xff\x7f", "truncated or damaged .* 2147483647 buckets with 10"),
        (44, b"\xff\xff\xff\xff", r"truncated or damaged .*\(n-grams of -1 to 6 letters"),
        (64, b"\xff\xff\xff\x7f", r"truncated or damaged .*\(it ends in word .* of 2147483647"),
        (72, b"\x01\0\0\0", "a fastText classifier, with 1 labels"),
        (84, b"\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated or damaged .*it ends before the vectors"),
    ],
)
def test_a_fasttext_header_that_lies(fasttext_file, place, content, message):
    path, _ = fasttext_file
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + content + whole[place + len(content) :])
    with pytest.raises(InputError, match=message):
        load_fasttext(path)


def test_fasttext_words_that_are_no_text_and_quantised_files(fasttext_file):
    path, keyed = fasttext_file
    whole = path.read_bytes()
    path.write_bytes(whole.replace("狗".encode(), b"\xff\xfe\xff"))
    with pytest.warns(InputWarning, match="not UTF-8"):
        bank = build_bank(["dog"], f"gensim:{path}")
    np.testing.assert_allclose(bank.vectors, [keyed["dog"]], atol=1e-6)
    assert bank.provenance.remarks == (f"gensim:{path}: words that are not UTF-8, left out: 1",)
    place = len(whole) - 2 * 17 - 2 * keyed.vectors_vocab.nbytes - keyed.vectors_ngrams.nbytes  # before two matrices
    path.write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    with pytest.raises(InputError, match="f.bin is a quantised fastText model"):
        load_fasttext(path)


def test_a_text_too_short_for_ngrams_goes_on_to_the_next_way(fasttext_file):
    path, _ = fasttext_file
    plan, _ = look_up(load_fasttext(path), ["i", "doggy"], ("subwords", "random"), 0)
    assert plan.notes == ["random vector", "from subwords"]


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
        (b"sky\t1\t2\n", "v:1: neither a header .* between tabs"),
        (b"9" * 5000 + b" 2\nsky 1 2\n", "v:1: its header has a number of more than 18 digits"),
        (b"2 1000000000000\nsky 1 2\n", "v:1: 1,000,000,000,000 numbers a word are more than 65,536; correct"),
        (b"3 2\nsky 1 2\nsea 1 2\n", "'dog'; rename .*; the file is odd, too: the header says 3 words, but 2 follow"),
        (b"2 2\nsky 1 2\ndog 1\n", r"'dog'; .*rows of fewer than 2 numbers, left out: 1 \(first: line 3\)"),
        (b"sky 1 2\ndog 1", r"'dog'; .*rows of fewer than 2 numbers, left out: 1 \(first: line 2\)"),
        (b"1 2\nsky 1 2 3\n", r"'sky' \(nearest: 'sky 1'\), .*rows of more than 2 numbers: 1 \(first: line 2, 'sky 1'"),
        (b"2 3\nsky 1 2\ndog 1 2\n", r"v: 0 rows are .* fewer than 3 numbers, left out: 2 \(first: line 2\)"),
        (b"2 2\n", "v: 0 rows are a UTF-8 word and 2 numbers, .*the header says 2 words, but 0 follow"),
        (b"1 2\nsky 0,1 0,2\n", "v:2: 'sky' has a vector that is not numbers"),
        (b"2 2\nsky 1 2\n\xff\xfe 1 2\n", r"'dog'; .*words that are not UTF-8, left out: 1 \(first: line 3\)"),
        (b"2 2\nsky 1 2\ndog 1 nan\n", "v:3: 'dog' has a non-finite vector; remove this row"),
        (b"2 2\nsky 1 2\ndog 1 1e39\n", "v:3: 'dog' has a non-finite vector"),
        (b"2 2\nsky 0 0\ndog 1 2\n", "v:2: 'sky' has a zero vector"),
        (b"2 2\nsky 1 2\ndog 1 x\n", "v:3: 'dog' has a vector that is not numbers"),
        (
            b"2 2\nsky " + b"\0\0\x80?" * 2 + b"\ndog \0\0",
            "says 2 words, but 1 follow; it ends or is damaged in word 2",
        ),
        (b"1 2\nsky " + b"\0\0\xc0\x7f" * 2, "v: word 1: 'sky' has a non-finite vector"),
        (b"1 2\n" + b"\0" * 5_000_000, "v: 0 rows are .*it ends or is damaged in word 1"),
        (b"1 2\nsky 1 2" + b" " * 5_000_000, "v:2: a line of more than 4,194,304 bytes"),
        (b"1 2\n" + b"\n" * 1_002, "v: 0 rows are .*blank lines: 1,001"),
        (gzip.compress(b"1 2\nsky 1 2\n")[:-12], "v is a damaged gzip file"),
        (b"\x1f\x8bno gzip", "v is a damaged gzip file"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_broken_files_are_named_with_the_line(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(InputError, match=message):
        build_bank(["sky", "dog"], f"gensim:{tmp_path / 'v'}")


def _binary(*words, count=None):
    rows = [word + b" " + b"\0\0\x80?\0\0\0@" for word in words]  # 1 and 2
    return b"%d 2\n" % (len(words) if count is None else count) + b"\n".join(rows) + b"\n"


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (b"sky 1 2\ndog 3 4\n", None),
        (b". . 9 9\nsky 1 2\n", None),  # GloVe's own files have no header, and words with spaces
        (b"2 2\nsky\t1\t2\ndog  3  4 \n", None),
        (b"2 2\nsky 1 2\n\x07 0 0\n", None),  # a control character makes no binary file
        (b"3 2\nsky 1 2\ndog 3 4\n", "the header says 3 words, but 2 follow"),  # as in fastText's crawl vectors
        (b"1000000000000000 2\nsky 1 2\n", "the header says 1,000,000,000,000,000 words, but 1 follow"),
        (b"1 2\ndog 3 4\nsky 1 2\n", "the header says 1 words, but 2 follow"),
        (b"3 2\n. . . 9 9\nat a@b.c 9 9\nsky 1 2\n", "words with spaces: 2 (first: line 2, '. . .')"),
        (b"2 2\narea 51 9 9\nsky 1 2\n", "rows of more than 2 numbers: 1 (first: line 2, 'area 51')"),
        (b"3 2\nsky 1 2\nna\xefve 9 9\nca", "words that are not UTF-8, left out: 1 (first: line 3); rows of fewer "
         "than 2 numbers, left out: 1 (first: line 4)"),
        (_binary(b"dog", b"na\xefve", b"sky"), "words that are not UTF-8, left out: 1 (first: word 2)"),
        (_binary(b"dog", b"sky", count=1), "the header says 1 words, but 2 follow"),
        (_binary(b"sky", b"dog")[:-3], "the header says 2 words, but 1 follow; it ends or is damaged in word 2"),
        (_binary(b"sky", count=1) + b"%", "it ends or is damaged in word 2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_rows_that_nobody_asks_for_are_a_note(tmp_path, content, remark, zipped):
    (tmp_path / "v").write_bytes(gzip.compress(content) if zipped else content)
    with nullcontext() if remark is None else pytest.warns(InputWarning, match=re.escape(remark)):
        bank = build_bank(["sky"], f"gensim:{tmp_path / 'v'}")
    np.testing.assert_array_equal(bank.vectors, [[1, 2]])
    assert bank.provenance.remarks == (() if remark is None else (f"gensim:{tmp_path / 'v'}: {remark}",))


def test_a_note_tells_of_names_that_the_policy_filled(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\nsky 1 2\nca")
    with pytest.warns(InputWarning, match="2 texts were not found"):
        bank = build_bank(["sky", "cat", "dog"], f"gensim:{tmp_path / 'v'}", oov=("random",))
    assert bank.provenance.remarks[0].endswith("(first: line 3); 2 texts were not found in it")


def test_a_spelling_that_is_not_needed_may_be_damaged(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\nSky 1 2\nsky 0 nan\ndog x y\n")
    spec = f"gensim:{tmp_path / 'v'}"
    np.testing.assert_array_equal(build_bank(["Sky"], spec, oov=("lower",)).vectors, [[1, 2]])
    for name, message in (("SKY", "v:3: 'sky' has a non-finite"), ("Sky dog", "v:4: 'dog' has a vector that is not")):
        with pytest.raises(InputError, match=message):
            build_bank([name], spec, oov=("lower", "parts", "random"))


def test_a_file_of_which_most_rows_are_unreadable_is_in_another_encoding(tmp_path):
    (tmp_path / "v").write_text("狗 1 2\n" * 1_001, encoding="gb18030")
    with pytest.raises(InputError, match="v: 0 rows .*not UTF-8, left out: 1,001 .*another format or encoding"):
        build_bank(["狗"], f"gensim:{tmp_path / 'v'}")


def test_a_gzip_file_that_unpacks_to_far_too_much_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(word_files, "ROOM", 1_000)
    (tmp_path / "v").write_bytes(gzip.compress(b"sky 1 2\n" * 100_000))
    with pytest.raises(InputError, match="v unpacks to more than 100 times its size"):
        build_bank(["sky"], f"gensim:{tmp_path / 'v'}")
