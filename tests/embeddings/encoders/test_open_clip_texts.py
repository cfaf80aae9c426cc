"""Text towers of pairs: open_clip's own vectors, by its own tokenizer, and its own zero-shot classifier."""

import numpy as np
import open_clip
import pytest
import torch

from embeddings.banks.build import build_bank, extend_bank
from embeddings.encoders.open_clip_texts import pair_of
from embeddings.io.errors import InputError, InputWarning
from tests.pairs import MODELS

NAMES = ["dog", "polar bear", "Sky!", "the red striped circle"]
PROMPTS = ["a photo of a {}", "the {}, of the sky"]


@pytest.mark.parametrize("design", MODELS)
def test_vectors_and_classifier_are_those_of_open_clip(design, pair_folder):
    name = f"local-dir:{pair_folder(design)}"
    model, tokenizer = open_clip.create_model(name).eval(), open_clip.get_tokenizer(name)
    with torch.no_grad():
        expected = model.encode_text(tokenizer(NAMES), normalize=False)
    bank = build_bank(NAMES, f"open_clip:{name}")
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-5)
    weights = open_clip.build_zero_shot_classifier(model, tokenizer, NAMES, PROMPTS)
    ensemble = build_bank(NAMES, f"open_clip:{name}", prompts=PROMPTS, transforms="l2")
    np.testing.assert_allclose(ensemble.vectors, weights.T, rtol=0, atol=1e-6)


def test_canonical_text_makes_capitals_and_punctuation_equal(pair_folder):
    vectors = build_bank(["a photo, of the Dog!", "polar bear"], f"open_clip:local-dir:{pair_folder('siglip')}").vectors
    plain = build_bank(["a photo of the dog", "polar bear"], f"open_clip:local-dir:{pair_folder('siglip')}").vectors
    np.testing.assert_array_equal(vectors, plain)


def test_longer_texts_are_cut_and_named(pair_folder):
    texts = ["dog " * 12, "sky " * 13]  # with the marks of start and end, 14 and 15 tokens of 14
    with pytest.warns(InputWarning, match="1 texts are longer than 14 tokens, and are cut there"):
        bank = build_bank(texts, f"open_clip:local-dir:{pair_folder('vit')}")
    assert bank.notes == ("", "cut to 14 tokens")


def test_the_weights_tell_the_revision_not_their_place(pair_folder, tmp_path, monkeypatch):
    folder = pair_folder("vit")
    here = build_bank(NAMES[:1], f"open_clip:local-dir:{folder}", cache=tmp_path / "cache")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(open_clip, "load_checkpoint", None)  # the cache has the texts: no model is loaded
    there = build_bank(NAMES[:1], f"open_clip:local-dir:{copy}", cache=tmp_path / "cache")
    assert there.provenance.revision == here.provenance.revision
    np.testing.assert_array_equal(there.vectors, here.vectors)
    (copy / "open_clip_model.safetensors").write_bytes(_negated(folder))
    monkeypatch.undo()
    with pytest.raises(InputError, match="is now 'sha256 .*restore it"):
        extend_bank(here, ["cat"], f"open_clip:local-dir:{copy}")


def _negated(folder):
    from safetensors.torch import load_file, save

    return save({name: -tensor for name, tensor in load_file(folder / "open_clip_model.safetensors").items()})


def test_specs():
    pair = pair_of("ViT-B-16,pretrained=openai,weights=a,b.pt")
    assert (pair.name, pair.pretrained, str(pair.weights)) == ("ViT-B-16", "openai", "a,b.pt")
    assert pair_of(pair.spec) == pair
    with pytest.raises(InputError, match="needs a pair: open_clip:NAME,pretrained=TAG"):
        pair_of("")
