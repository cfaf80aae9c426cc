"""word2vec and GloVe files against gensim's loader; what is wrong with a file is told with its place."""

import gzip
import re
from contextlib import nullcontext

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embeddings.banks.build import build_bank
from embeddings.encoders import word_files
from embeddings.io.errors import InputError, InputWarning
from tests.embeddings.encoders.words import KEYS, NAMES, WORDS


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


def test_a_word_that_appears_twice_has_its_first_vector(tmp_path):
    (tmp_path / "v.txt").write_text("2 2\ndog 1 2\ndog 3 4\n")
    np.testing.assert_array_equal(build_bank(["dog"], f"gensim:{tmp_path / 'v.txt'}").vectors, [[1, 2]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "v:1: neither a header"),
        (b"two words\n", "v:1: neither a header"),
        (b"<html>\n<body>\n", "v:1: neither a header"),
        (b"sky\t1\t2\n", "v:1: neither a header .* between tabs"),
        (b"9" * 5000 + b" 2\nsky 1 2\n", "v:1: its header has a number of more than 18 digits"),
        (b"2 1000000000000\nsky 1 2\n", "v:1: 1,000,000,000,000 numbers per word are more than 65,536; correct"),
        (b"3 2\nsky 1 2\nsea 1 2\n", "'dog'; .*; the file also has faults: the header says 3 words, but 2 follow"),
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
def test_faults_in_rows_that_are_not_needed_are_a_note(tmp_path, content, remark, zipped):
    (tmp_path / "v").write_bytes(gzip.compress(content) if zipped else content)
    with nullcontext() if remark is None else pytest.warns(InputWarning, match=re.escape(remark)):
        bank = build_bank(["sky"], f"gensim:{tmp_path / 'v'}")
    np.testing.assert_array_equal(bank.vectors, [[1, 2]])
    assert bank.provenance.remarks == (() if remark is None else (f"gensim:{tmp_path / 'v'}: {remark}",))


def test_a_note_counts_names_that_the_policy_filled(tmp_path):
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


def test_a_gzip_file_that_unpacks_to_far_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(word_files, "ROOM", 1_000)
    (tmp_path / "v").write_bytes(gzip.compress(b"sky 1 2\n" * 100_000))
    with pytest.raises(InputError, match="v unpacks to more than 100 times its size"):
        build_bank(["sky"], f"gensim:{tmp_path / 'v'}")
