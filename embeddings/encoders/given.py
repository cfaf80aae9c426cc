"""Encoders of your own: an object with a method `encode`, or a function, given from Python instead of a spec."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from embeddings.encoders.encoder import BLOCK, Encoder, Encoding, Family, Opened, Request
from embeddings.encoders.seeded import random_vectors
from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.spelling import LOOKED_UP, require

OBJECT = "object:"  # the spec of a bank begins with this if its encoder was an object


@runtime_checkable
class TextEncoder(Protocol):
    """An encoder of your own, for `build_bank` and `extend_bank`; a model of sentence-transformers is one.

    `encode` takes at most 8,192 distinct texts at a time and returns their vectors, (text, embed) floats: an array, a
    tensor or nested lists. It must give a text the same vector whatever the other texts are. Three more attributes are
    used if the object has them:

    - `name`, a string, is recorded in the bank's provenance; without it, the name of the class or function is.
    - `revision`, a string: identifies the weights. With it, encoded texts are cached, and `extend_bank` notices other
      weights.
    - `missing(texts)`: the texts that have no vector. `encode` is not called with them; the last step of the policy
      `oov` ("error", "skip" or "random") decides what happens to them.
    """

    def encode(self, texts: list[str], /) -> Any:
        """The vectors of the texts, (text, embed)."""


@dataclass(frozen=True)
class Given(Encoder):
    """An object as an encoder.

    Args:
        spec: "object:" and the object's name.
        weights: the revision that the object gives; "" if it gives none.
        function: from texts to (text, embed).
        missing: from texts to those without a vector; None if all texts have one.
    """

    spec: str
    weights: str
    function: Callable[[list[str]], Any]
    missing: Callable[[list[str]], Collection[str]] | None

    def revision(self) -> str:
        return self.weights

    def encode(self, request: Request) -> Encoding:
        texts = list(request.texts)
        absent = set() if self.missing is None else set(self.missing(texts)) & set(texts)
        end = request.oov[-1] if request.oov else "error"
        if absent and end not in ("skip", "random"):
            require(texts, set(texts) - absent, f"encoder {self.spec}", LOOKED_UP)
        if len(absent) == len(texts):
            raise InputError(f"encoder {self.spec} has no vector for any of the labels; choose another encoder")
        skipped = [row for row, text in enumerate(texts) if text in absent] if end == "skip" else []
        notes = ["random vector" if text in absent and end == "random" else "" for text in texts]
        return Encoding(self._blocks(texts, absent, request.seed, end == "random"), notes, skipped)

    def _blocks(self, texts: Sequence[str], absent: Collection[str], seed: int, filled: bool) -> Iterator[np.ndarray]:
        """Blocks of vectors of the texts that the encoder has; if `filled`, absent texts get random vectors."""
        width = self._vectors([next(text for text in texts if text not in absent)]).shape[1] if absent else None
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            present = [text for text in block if text not in absent]
            vectors = self._vectors(present) if present else np.empty((0, width or 0), np.float32)
            width = vectors.shape[1] if width is None else width
            if vectors.shape[1] != width:
                raise InputError(f"encoder {self.spec} gave vectors of {width} numbers, then of {vectors.shape[1]}")
            if filled and len(present) < len(block):
                found = dict(zip(present, vectors, strict=True))
                yield np.stack([found[t] if t in found else random_vectors([t], width, seed)[0] for t in block])
            elif present:
                yield vectors

    def _vectors(self, texts: list[str]) -> np.ndarray:
        answer = self.function(texts)
        if hasattr(answer, "detach"):  # a tensor, perhaps on a GPU, with a gradient or in bfloat16
            answer = answer.detach().cpu().float()
        try:
            vectors = np.asarray(answer, np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"encoder {self.spec} gave no array of numbers ({error})") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            wanted = f"({len(texts)}, embed)"
            raise InputError(f"encoder {self.spec} gave an array of shape {vectors.shape} instead of {wanted}")
        return vectors


def given_encoder(given: object) -> Opened:
    """An object, or a function from texts to vectors, as an encoder.

    Raises:
        InputError: it has no `encode` and cannot be called; its `revision` is not a string.
    """
    function = getattr(given, "encode", None)
    if not callable(function):
        function = given
    if not callable(function) or isinstance(given, type):
        raise InputError(f"encoder {brief(given)} is not a spec, a function or an object with a method encode(texts)")
    name = getattr(given, "name", None)
    if not isinstance(name, str):
        name = getattr(given, "__name__", None) or type(given).__name__
    revision = getattr(given, "revision", None)
    if not isinstance(revision, str | None):
        raise InputError(f"the revision of encoder {name} is {brief(revision)}; give a string, or None")
    spec = OBJECT + label_name(name, "the encoder's name")
    missing = getattr(given, "missing", None)
    encoder = Given(spec, revision or "", function, missing if callable(missing) else None)
    family = Family(
        lambda argument, request: encoder,
        "an object of the user's",
        "the object's",
        "the object's",
        cached=bool(revision),
        words=encoder.missing is not None,
    )
    return Opened(spec, spec, family, encoder)
