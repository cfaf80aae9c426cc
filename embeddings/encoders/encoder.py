"""The interface of text encoders (a request goes in, blocks of vectors come out), and facts about their families."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.io.errors import InputError

MAX_WIDTH = 65_536  # numbers of a vector
BLOCK = 8_192  # texts encoded at once

TagLists = Callable[[], Iterable[list[str]]] | Iterable[list[str]]


@dataclass(frozen=True)
class Request:
    """What an encoder is asked to encode.

    Args:
        texts: distinct texts.
        oov: the policy for names out of vocabulary; only tables of words use it.
        seed: for encoders that draw random numbers.
        tag_lists: for each training image, its tags; None without a training set. Only `corpus` uses them.
    """

    texts: tuple[str, ...]
    oov: tuple[str, ...]
    seed: int = 0
    tag_lists: TagLists | None = None


@dataclass(frozen=True)
class Encoding:
    """What an encoder returns.

    Args:
        blocks: blocks of (text, embed) float32, in order, of the texts that are not skipped.
        notes: for each text, what was done for it; "" if it was encoded unchanged.
        skipped: rows of the texts that have no vector.
        remarks: what a user should know about the encoder itself.
    """

    blocks: Iterator[np.ndarray]
    notes: Sequence[str]
    skipped: Sequence[int] = ()
    remarks: Sequence[str] = ()


class Encoder(ABC):
    """An encoder that is ready to encode."""

    @abstractmethod
    def revision(self) -> str:
        """Identifies the weights: a hash, a commit, a version. If the vectors change, the revision must change too."""

    @abstractmethod
    def encode(self, request: Request) -> Encoding:
        """Encodes the texts of the request."""


@dataclass(frozen=True)
class Family:
    """The facts of a family of encoders; each family's file ends with its own.

    Args:
        open: `open(argument, request)` makes the encoder; `argument` is what follows the colon of a spec.
        source: where the vectors come from, for `zsl bank encoders`.
        width: the vectors' width, for `zsl bank encoders`.
        licence: of the vectors, for `zsl bank encoders`.
        version: of this toolkit's code for the family; raise it when the family's vectors or remarks change.
        cached: whether encoded texts are kept in the cache.
        words: whether it is a table of words; texts are then looked up by the policy for names out of vocabulary.
        informed: whether vectors carry information about their texts; random ones do not.
        by_order: `by_order(argument)` is true if vectors are matched to labels by their order, not by their names.
        apart: what to check if distinct texts have the same vector; "" if that is normal, as in a table of words.
        libraries: those that make its vectors, beside the toolkit's own; the cache is of their versions.
    """

    open: Callable[[str, Request], Encoder]
    source: str
    width: str
    licence: str
    version: int = 1
    cached: bool = True
    words: bool = False
    informed: bool = True
    by_order: Callable[[str], bool] = lambda argument: False
    apart: str = ""
    libraries: tuple[str, ...] = ()

    def depends_on(self, request: Request) -> list[object]:
        """The parts of a request that decide the vectors."""
        return [request.texts, request.oov, request.seed] if self.words else [request.texts]


@dataclass(frozen=True)
class Opened:
    """An encoder that is ready to encode, with the facts of its family.

    Args:
        spec: the part of a spec that names it, such as "gensim:vectors.txt".
        name: the family's name; for an object, "object:" and the object's name.
        family: the facts of its family.
        encoder: the encoder itself.
    """

    spec: str
    name: str
    family: Family
    encoder: Encoder


@dataclass(frozen=True)
class Rule(Encoder):
    """An encoder that computes vectors from the letters alone.

    Args:
        version: of the rule.
        function: from a block of texts to (text, embed) float32.
    """

    version: str
    function: Callable[[Sequence[str]], np.ndarray]

    def revision(self) -> str:
        return self.version

    def encode(self, request: Request) -> Encoding:
        texts = request.texts
        blocks = (self.function(texts[start : start + BLOCK]) for start in range(0, len(texts), BLOCK))
        return Encoding(blocks, [""] * len(texts))


def width_of(argument: str, default: int, family: str) -> int:
    """The width that an argument gives.

    Args:
        argument: what follows the colon of a spec; "" for the default.
        default: the width without an argument.
        family: the encoder's family, for the message.
    Returns:
        the width.
    Raises:
        InputError: the argument is not a number from 1 to `MAX_WIDTH`.
    """
    if argument and not (argument.isdecimal() and len(argument) <= 10 and 0 < int(argument) <= MAX_WIDTH):
        raise InputError(f"encoder {family}:{argument[:40]} - the width must be a positive number up to {MAX_WIDTH}")
    return int(argument) if argument else default


def options_of(argument: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Splits an argument into a name and the `,key=value` that follow it.

    Args:
        argument: what follows the colon of a spec.
        known: the keys; a value ends where the next known key begins, so it may hold commas.
    Returns:
        the name, "" if there is none, and the options.
    Raises:
        InputError: a key is given twice.

    >>> options_of("a,b.txt,width=7", ["width"])
    ('a,b.txt', {'width': '7'})
    """
    name, *given = re.split(rf"(?:^|,)(?=(?:{'|'.join(known)})=)", argument)
    pairs = [option.partition("=")[::2] for option in given]
    options = dict(pairs)
    if len(options) < len(pairs):
        raise InputError(f"{argument!r} gives an option twice; give each once")
    return name, options


def hash_of_files(paths: Iterable[Path]) -> str:
    """A revision made from the files' content."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256 {digest.hexdigest()[:16]}"
