"""Vectors from spelling alone: hashed words and character n-grams, no download and no training."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

NGRAMS = (3, 4, 5)
NGRAM_WEIGHT = 0.25  # a whole word says more than a piece of one; the pieces only bring spellings together


def _bucket(feature: str, width: int) -> tuple[int, float]:
    digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
    return (digest >> 1) % width, 1.0 if digest & 1 else -1.0


def lexical_vectors(texts: Sequence[str], width: int = 512) -> Float[np.ndarray, "label embed"]:
    """Signed feature hashing (Weinberger et al. 2009) of lower-case words and of their n-grams of 3 to 5 letters.

    Args:
        texts: any text with at least one letter or digit.
        width: size of a vector.
    Returns:
        (label, embed) float32 of norm 1.
    Raises:
        ValueError: a text without a letter or digit.
    """
    vectors = np.zeros((len(texts), width), np.float64)
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        if not words:
            raise ValueError(f"{text!r} holds no letter or digit to hash")
        for word in words:
            bucket, sign = _bucket(f"word {word}", width)
            vectors[row, bucket] += sign
            marked = f"<{word}>"
            for n in NGRAMS:
                for start in range(len(marked) - n + 1):
                    bucket, sign = _bucket(f"ngram {marked[start : start + n]}", width)
                    vectors[row, bucket] += NGRAM_WEIGHT * sign
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"the features of {texts[int(np.argmin(norms))]!r} cancel out; use a larger width")
    return (vectors / norms).astype(np.float32)
