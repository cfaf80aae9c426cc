"""fastText models against gensim's loader: subwords, and files that are cut, damaged, quantised or classifiers."""

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model

from embeddings.banks.build import build_bank
from embeddings.encoders.fasttext_models import load_fasttext
from embeddings.encoders.oov import look_up
from embeddings.io.errors import InputError, InputWarning
from tests.embeddings.encoders.words import KEYS, NAMES, TAGS


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
def test_a_false_fasttext_header_is_an_error(fasttext_file, place, content, message):
    path, _ = fasttext_file
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + content + whole[place + len(content) :])
    with pytest.raises(InputError, match=message):
        load_fasttext(path)


def test_fasttext_words_that_are_not_utf8_and_quantised_files(fasttext_file):
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


def test_a_text_too_short_for_ngrams_is_looked_up_by_the_next_step(fasttext_file):
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
