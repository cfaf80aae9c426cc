"""`lexical`: vectors from spelling alone, by hashing words and character n-grams; no download, no training."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from embeddings.encoders.encoder import Encoder, Family, Request, Rule, width_of
from embeddings.io.errors import InputError
from embeddings.io.names import composed, sets_apart

NGRAMS = (3, 4, 5)
NGRAM_WEIGHT = 0.25  # a whole word tells more than a part of it; n-grams only bring similar spellings together


def _bucket(feature: str, width: int) -> tuple[int, float]:
    digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
    return (digest >> 1) % width, 1.0 if digest & 1 else -1.0


def lexical_vectors(texts: Sequence[str], width: int = 512) -> Float[np.ndarray, "label embed"]:
    """Signed feature hashing (Weinberger et al. 2009) of lower-case words and of their n-grams of 3 to 5 letters.

    Combining marks and symbols belong to words. A text that holds one also gets a feature of its own, so that no two
    such texts share a vector. Other texts share one if they differ only in case, punctuation or the order of words.

    Args:
        texts: any text that is not blank.
        width: size of a vector, e.
    Returns:
        (label, embed) float32 of norm 1.
    Raises:
        ValueError: a blank text, or one whose features cancel out.
    """
    vectors = np.zeros((len(texts), width), np.float64)
    for row, text in enumerate(texts):
        for feature, weight in _features(text):
            bucket, sign = _bucket(feature, width)
            vectors[row, bucket] += weight * sign
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"the features of {texts[int(np.argmin(norms))]!r} cancel out; use a larger width")
    return (vectors / norms).astype(np.float32)


def _features(text: str) -> list[tuple[str, float]]:
    if not text.strip():
        raise ValueError("a blank text holds nothing to hash")
    lower = composed(text).lower()
    words = "".join(letter if letter == "_" or sets_apart(letter) else " " for letter in lower).split()
    found = []
    for word in words:
        found.append((f"word {word}", 1.0))
        marked = f"<{word}>"
        for n in NGRAMS:
            found += [(f"ngram {marked[at : at + n]}", NGRAM_WEIGHT) for at in range(len(marked) - n + 1)]
    if not words or words != re.findall(r"\w+", lower):
        found.append((f"text {composed(text)}", 1.0))
    return found


def _open(argument: str, request: Request) -> Encoder:
    width = width_of(argument, 512, "lexical")

    def function(texts: Sequence[str]) -> np.ndarray:
        try:
            return lexical_vectors(texts, width)
        except ValueError as error:
            raise InputError(f"encoder lexical: {error}") from error

    return Rule("1", function)


FAMILY = Family(_open, "hashed words and letter n-grams", "512, or lexical:WIDTH", "this project's", cached=False)
