"""Banks, files of word vectors, and lists of names and texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.fuzzing.target import Target, digest

NAMES = ["sky", "sea"]


def _bank(folder: Path) -> Path:
    from embeddings.banks.build import build_bank

    path = folder / "made.bank"
    build_bank(["sky", "polar bear", "Meer"], "lexical:16", num_seen=2, transforms=["center", "l2"]).save(path)
    return path.rename(folder / "made.safetensors")


def _read_bank(_: Path, path: Path, __: Path) -> str:
    from embeddings.banks.bank import Bank

    bank = Bank.load(path)
    return digest(bank.labels, np.array(bank.vectors), bank.notes, bank.num_seen)


def _vectors(folder: Path) -> None:
    import gzip

    from gensim.models import FastText, KeyedVectors
    from gensim.models.fasttext import save_facebook_model

    keyed = KeyedVectors(5)
    keyed.add_vectors(["sky", "sea", "polar_bear"], np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    keyed.save_word2vec_format(str(folder / "w2v.txt"), binary=False)
    keyed.save_word2vec_format(str(folder / "w2v.bin"), binary=True)
    (folder / "glove.txt").write_text("sky 1 2 3\nsea 4 5 6\n")
    (folder / "packed.txt.gz").write_bytes(gzip.compress((folder / "w2v.txt").read_bytes()))
    keyed.save(str(folder / "own.kv"))
    model = FastText([["sky", "sea", "bear"]] * 9, vector_size=5, min_count=1, epochs=1, bucket=11, workers=1)
    save_facebook_model(model, str(folder / "facebook.bin"))


def _matrices(folder: Path) -> None:
    from safetensors.numpy import save_file

    matrix = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    np.save(folder / "m.npy", matrix)
    save_file({"m": matrix}, folder / "m.safetensors")
    torch.save({"m": torch.from_numpy(matrix)}, folder / "m.pt")
    (folder / "names.txt").write_text("\n".join(NAMES))


def _encoded(spec: str) -> str:
    from embeddings.banks.build import build_bank

    return digest(np.array(build_bank(NAMES, spec, oov=("phrase", "random")).vectors))


def _read_vectors(_: Path, __: Any, path: Path) -> str:
    own = path.with_name("own.kv") if path.name.startswith("own.kv") else path
    return _encoded(f"gensim:{own}")


def _read_matrix(folder: Path, _: Any, path: Path) -> str:
    matrix = folder / "m.npy" if path.suffix == ".txt" else path
    return _encoded(f"matrix:{matrix},labels={folder / 'names.txt'}")


def _names(folder: Path) -> None:
    (folder / "labels.txt").write_text("sky\nmer d'été\nमील\n", "utf-8")
    (folder / "prompts.txt").write_text("a photo of a {}\n{}\n")
    (folder / "texts.txt").write_text("sky\tblue and wide\nsea\tsalt water\n")
    (folder / "texts.json").write_text(json.dumps({"sky": ["blue", "wide"], "sea": "salt"}))
    (folder / "aliases.txt").write_text("sky\theaven\n")


def _read_names(folder: Path, _: Any, path: Path) -> str:
    from embeddings.texts import read_aliases, read_descriptions, read_labels, read_prompts

    calls = {"labels.txt": read_labels, "prompts.txt": read_prompts, "aliases.txt": read_aliases}
    return digest(calls.get(path.name, read_descriptions)(path))


BANKS = [
    Target("bank", _bank, _read_bank, ("*.safetensors",), ("*",), share=4),
    Target("vector files", _vectors, _read_vectors, ("*",), share=3),
    Target("matrices", _matrices, _read_matrix, ("*",), share=1.5),
    Target("names", _names, _read_names, ("*",), share=4),
]
