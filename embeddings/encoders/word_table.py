"""Tables of words: some words have a vector, others do not."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from embeddings.io.errors import InputError


@dataclass(frozen=True)
class Found:
    """The words that were found in a table.

    Args:
        rows: the row of each word in `vectors`.
        vectors: (word, embed); it may be memory-mapped.
        faults: for words whose vectors cannot be used, the reason.
        remark: what is odd about the table; "" if nothing is.
    """

    rows: Mapping[str, int]
    vectors: np.ndarray
    faults: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    def has(self, form: str) -> bool:
        """Whether a word has a vector.

        Raises:
            InputError: the word has a vector that cannot be used.
        """
        if form in self.faults and form not in self.rows:
            raise InputError(self.faults[form])
        return form in self.rows


class WordTable(ABC):
    """A table of words; `place` is its name in messages."""

    has_subwords = False  # whether any text can get a vector from its character n-grams

    def __init__(self, place: str):
        self.place = place

    @abstractmethod
    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """The words of `wanted()` that the table has, and perhaps others."""

    @abstractmethod
    def words(self) -> Collection[str]:
        """All words, to look for near spellings."""

    def subwords(self, text: str) -> list[int]:
        """The text's character n-grams, as rows of a second matrix; [] if the text is too short for any."""
        raise NotImplementedError

    def from_subwords(self, text: str) -> np.ndarray:
        """The vector (embed,) made from the text's character n-grams; `subwords` must give some for the text."""
        raise NotImplementedError


class RowTable(WordTable):
    """A table of words over a matrix, which is not copied."""

    def __init__(self, rows: Mapping[str, int], vectors: np.ndarray, place: str):
        super().__init__(place)
        self.rows = rows
        self.vectors = vectors

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """All rows."""
        return Found(self.rows, self.vectors)

    def words(self) -> Collection[str]:
        """All words."""
        return self.rows
