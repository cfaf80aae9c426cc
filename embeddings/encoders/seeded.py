"""`random`: seeded normal vectors, the baseline of comparisons; `oov` also uses them for names without a vector."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from embeddings.encoders.encoder import Encoder, Family, Request, Rule, width_of


def random_vectors(texts: Sequence[str], width: int, seed: int = 0) -> Float[np.ndarray, "label embed"]:
    """A normal vector of norm 1 for each text; it depends only on the text and the seed.

    Args:
        texts: any text.
        width: size of a vector, e.
        seed: of the random numbers.
    Returns:
        (label, embed) float32.
    """
    vectors = np.empty((len(texts), width), np.float32)
    for row, text in enumerate(texts):
        digest = hashlib.blake2b(f"{seed} {text}".encode(), digest_size=16).digest()
        drawn = np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(width)
        vectors[row] = drawn / np.linalg.norm(drawn)
    return vectors


def _open(argument: str, request: Request) -> Encoder:
    width = width_of(argument, 512, "random")
    return Rule(f"seed {request.seed}", lambda texts: random_vectors(texts, width, request.seed))


FAMILY = Family(_open, "seeded normal vectors", "512, or random:WIDTH", "this project's", cached=False, informed=False)
