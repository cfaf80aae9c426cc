"""Items of a stream, such as a compressed file's records, by their place."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from embeddings.io.errors import InputError

Item = TypeVar("Item")


@dataclass
class InOrder(Generic[Item]):
    """Items that can only be read in order; for an earlier one, the stream begins again.

    >>> letters = InOrder(lambda: iter("abc"), "the alphabet")
    >>> letters.at(0), letters.at(2), letters.at(1)
    ('a', 'c', 'b')

    Args:
        begin: begins the stream.
        name: of the stream, for messages.
    """

    begin: Callable[[], Iterator[Item]]
    name: str
    _next: int = field(default=0, repr=False)
    _stream: Iterator[Item] | None = field(default=None, repr=False)
    _process: int = field(default=0, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_stream": None}

    def at(self, place: int) -> Item:
        """The item at a place.

        Raises:
            InputError: the stream ends before it.
        """
        # a forked process shares its parent's position in the file
        if self._stream is None or place < self._next or self._process != os.getpid():
            self._stream, self._next, self._process = self.begin(), 0, os.getpid()
        for item in self._stream:
            self._next += 1
            if self._next > place:
                return item
        raise InputError(f"{self.name} has no record {place}; it has changed since it was opened")
