"""The table of text encoders; a spec is `family` or `family:argument`, and several are joined by `+`.

To add a family: write its file, which ends with its `Family`, and add one line to `ENCODERS`.
"""

import re
from collections.abc import Callable
from typing import Any

from embeddings.encoders import corpus, lexical, matrix, open_clip_texts, seeded, sentences, word_vectors
from embeddings.encoders.encoder import Family, Opened, Request
from embeddings.encoders.given import TextEncoder, given_encoder
from embeddings.io.errors import InputError

AnyEncoder = str | TextEncoder | Callable[[list[str]], Any]

ENCODERS: dict[str, Family] = {
    "lexical": lexical.FAMILY,
    "random": seeded.FAMILY,
    "sentence-transformers": sentences.FAMILY,
    "open_clip": open_clip_texts.FAMILY,
    "gensim": word_vectors.FAMILY,
    "corpus": corpus.FAMILY,
    "corpus-fasttext": corpus.FASTTEXT_FAMILY,
    "matrix": matrix.FAMILY,
}


def parts_of(spec: str) -> tuple[str, ...]:
    """The encoders that a spec joins; names are not checked. A `+` separates only if a family's name follows it."""
    names = "|".join(map(re.escape, ENCODERS))
    return tuple(re.split(rf"\+(?=(?:{names})(?::|\+|$))", spec))


def split_spec(spec: str) -> tuple[str, ...]:
    """The encoders that a spec joins; each family must be known.

    Raises:
        InputError: an unknown family.

    >>> split_spec("gensim:c++.txt+lexical:64")
    ('gensim:c++.txt', 'lexical:64')
    """
    parts = parts_of(spec)
    for part in parts:
        family_of(part)
    return parts


def family_of(part: str) -> Family:
    """The family of one encoder of a spec.

    Raises:
        InputError: an unknown family.
    """
    name = part.partition(":")[0]
    if name not in ENCODERS:
        raise InputError(f"unknown encoder {name!r}; known: {sorted(ENCODERS)}")
    return ENCODERS[name]


def by_order(part: str) -> bool:
    """Whether an encoder matches vectors to labels by their order, not by their names."""
    return family_of(part).by_order(part.partition(":")[2])


def open_encoder(encoder: AnyEncoder, request: Request) -> tuple[Opened, ...]:
    """The encoders of a spec, or the encoder made from an object, ready to encode.

    Args:
        encoder: a spec, an object with a method `encode(texts)`, or a function of texts.
        request: what they are asked to encode; some encoders depend on it.
    Returns:
        one encoder for each part of the spec.
    Raises:
        InputError: an unknown family, an argument that its family cannot use, an object that is not an encoder.
    """
    if not isinstance(encoder, str):
        return (given_encoder(encoder),)
    opened = []
    for part in split_spec(encoder):
        name, _, argument = part.partition(":")
        opened.append(Opened(part, name, ENCODERS[name], ENCODERS[name].open(argument, request)))
    return tuple(opened)
