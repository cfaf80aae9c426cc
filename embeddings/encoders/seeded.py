"""Vectors that know nothing: the control of every comparison, and one way to fill a gap."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def random_vectors(texts: Sequence[str], width: int, seed: int = 0) -> Float[np.ndarray, "label embed"]:
    """A normal vector scaled to norm 1 for each text, which depends on the text and the seed, not on the other texts.

    Args:
        texts: any text.
        width: size of a vector.
        seed: of the numbers.
    Returns:
        (label, embed) float32.
    """
    vectors = np.empty((len(texts), width), np.float32)
    for row, text in enumerate(texts):
        digest = hashlib.blake2b(f"{seed} {text}".encode(), digest_size=16).digest()
        drawn = np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(width)
        vectors[row] = drawn / np.linalg.norm(drawn)
    return vectors
