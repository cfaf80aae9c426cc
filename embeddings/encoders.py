"""Text encoders by name: `lexical`, `random`, `sentence-transformers:<model or folder>`, `gensim:<file>`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.bank import Bank, Provenance, require
from embeddings.errors import InputError
from embeddings.lexical import lexical_vectors

MAX_WIDTH = 65_536


@dataclass(frozen=True)
class Encoded:
    """What an encoder returns: vectors (label, embed), the revision of its weights, a note for each label."""

    vectors: np.ndarray
    revision: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """One line of the registry; `encode(texts, argument, seed)`, argument being what follows the colon."""

    encode: Callable[[Sequence[str], str, int], Encoded]
    source: str
    width: str
    licence: str


def _width(argument: str, default: int, family: str) -> int:
    if argument and not (argument.isdecimal() and 0 < int(argument) <= MAX_WIDTH):
        raise InputError(f"encoder {family}:{argument} - the width must be a positive number up to {MAX_WIDTH}")
    return int(argument) if argument else default


def _lexical(texts: Sequence[str], argument: str, seed: int) -> Encoded:
    try:
        return Encoded(lexical_vectors(texts, _width(argument, 512, "lexical")), "1")
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"encoder lexical: {error}") from error


def _random(texts: Sequence[str], argument: str, seed: int) -> Encoded:
    """A vector of norm 1 that depends on the text and the seed alone, not on the other labels."""
    width = _width(argument, 512, "random")
    rows = []
    for text in texts:
        digest = hashlib.blake2b(f"{seed} {text}".encode(), digest_size=16).digest()
        row = np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(width)
        rows.append(row / np.linalg.norm(row))
    return Encoded(np.array(rows, np.float32), f"seed {seed}")


def _sentence_transformers(texts: Sequence[str], argument: str, seed: int) -> Encoded:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # it draws over the bars of the command line

    if not argument:
        raise InputError("encoder sentence-transformers needs a model: sentence-transformers:<name or folder>")
    try:
        model = SentenceTransformer(argument)
    except Exception as error:  # the library, its hub client and its parsers raise kinds of their own
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"sentence-transformers cannot load {argument!r} ({reason[0]}); give a folder that holds the model, "
            "or a hub name where there is a network"
        ) from error
    vectors = model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
    return Encoded(np.asarray(vectors, np.float32), _model_revision(argument, model))


def _model_revision(argument: str, model: object) -> str:
    """The hash of a folder's weights, or the hub's commit."""
    folder = Path(argument)
    if folder.is_dir():
        digest = hashlib.sha256()
        for file in sorted(folder.rglob("*.safetensors")) + sorted(folder.rglob("*.bin")):
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return f"sha256 {digest.hexdigest()[:16]}"
    return str(getattr(getattr(model, "model_card_data", None), "base_model_revision", "") or "")


def _gensim(texts: Sequence[str], argument: str, seed: int) -> Encoded:
    from gensim.models import KeyedVectors

    path = Path(argument)
    if not argument or not path.is_file():
        raise InputError(f"encoder gensim: no file {argument!r}; give a word2vec text file, gensim:<file>")
    try:
        table = KeyedVectors.load_word2vec_format(str(path), binary=False)
    except (ValueError, EOFError, OSError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path} is not a word2vec text file ({error}); its first line is 'COUNT WIDTH'") from error
    keys = [next((k for k in _spellings(t) if k in table.key_to_index), None) for t in texts]
    require([t for t, k in zip(texts, keys, strict=True) if k is None], table.key_to_index, str(path))
    with path.open("rb") as stream:
        revision = f"sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()[:16]}"
    notes = tuple("" if k == t else f"vector of {k!r}" for t, k in zip(texts, keys, strict=True))
    return Encoded(np.array([table[k] for k in keys], np.float32), revision, notes)


def _spellings(text: str) -> tuple[str, ...]:
    """A name as it stands, then with `_` for spaces, then in lower case: the ways word2vec files write it."""
    phrase = text.replace(" ", "_")
    return text, phrase, text.lower(), phrase.lower()


ENCODERS: dict[str, Family] = {
    "lexical": Family(_lexical, "hashed words and character n-grams", "512, or lexical:<width>", "this project's"),
    "random": Family(_random, "seeded normal vectors", "512, or random:<width>", "this project's"),
    "sentence-transformers": Family(_sentence_transformers, "model name or folder", "the model's", "the model's"),
    "gensim": Family(_gensim, "word2vec text file", "the file's", "the file's"),
}


def build_bank(labels: Sequence[str], encoder: str, prompt: str = "{}", normalize: bool = False, seed: int = 0) -> Bank:
    """Encodes label names.

    Args:
        labels: distinct names.
        encoder: a spec, `family` or `family:argument`; see `ENCODERS`.
        prompt: a template that holds `{}` once, filled with each name.
        normalize: scale every vector to norm 1.
        seed: for the encoders that draw numbers.
    Raises:
        InputError: an unknown family, a prompt without a place for the name, a label that the encoder lacks.
    """
    family, _, argument = encoder.partition(":")
    if family not in ENCODERS:
        raise InputError(f"unknown encoder {family!r}; known: {sorted(ENCODERS)}")
    if prompt.count("{}") != 1:
        raise InputError(f"prompt {prompt!r} must hold {{}} once, where the name goes")
    encoded = ENCODERS[family].encode([prompt.replace("{}", label) for label in labels], argument, seed)
    made = Provenance(encoder, prompt, encoded.revision, ("l2",) if normalize else ())
    bank = Bank(tuple(labels), encoded.vectors, made, encoded.notes)
    if not normalize:
        return bank
    return Bank(bank.labels, bank.vectors / np.linalg.norm(bank.vectors, axis=1, keepdims=True), made, bank.notes)
