"""Vector files of words: word2vec's text and binary formats, and GloVe's text without a header; plain or gzip.

One pass keeps the rows that are asked for and checks the rest, so that a thousand names from a file of millions of
words need little memory, and a fault is told with its line.
"""

import codecs
import gzip
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np

from embeddings.errors import InputError
from embeddings.oov import Found, WordTable

LONGEST_LINE = 1 << 22
SNIFFED = 1 << 12
CONTROL = set(range(9)) | set(range(14, 32))  # bytes that no text holds, and that vectors in binary are full of
READ = 1 << 20

Record = tuple[str, str, bytes]  # place, word, numbers


class WordFile(WordTable):
    """A word table over a file.

    Raises:
        InputError: not such a file.
    """

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.path = path
        with self._open() as file:
            first = self._read(lambda: file.readline(LONGEST_LINE)).removeprefix(codecs.BOM_UTF8)
            begin = self._read(lambda: file.read(SNIFFED))
        fields = first.split()
        self.count: int | None = None
        self.binary = False
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            self.count, self.width = int(fields[0]), int(fields[1])
            self.binary = bool(set(begin) & CONTROL)
        else:
            self.width = _numbers_at_end(fields[1:]) if b"\t" not in first else 0
        if self.width < 1:
            tabs = "; its fields stand between tabs: write spaces" if b"\t" in first else ""
            raise InputError(
                f"{path}:1: neither a header 'COUNT WIDTH' nor a word with its numbers{tabs}; give a word2vec text or "
                "binary file or a GloVe file, plain or gzip, or one of gensim's or fastText's own files, not zipped"
            )

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """The rows of the wanted words, in a temporary file; a word that stands twice has its first vector."""
        rows: dict[str, int] = {}
        names = wanted()
        with tempfile.TemporaryFile() as kept:
            for place, word, numbers in self._records():
                if word in names and word not in rows:
                    kept.write(self._vector(place, word, numbers).data)
                    rows[word] = len(rows)
            kept.flush()
            shape = (len(rows), self.width)
            vectors = np.memmap(kept, np.float32, "r", shape=shape) if rows else np.empty(shape, np.float32)
        return Found(rows, vectors)

    def words(self) -> list[str]:
        """Every word, in order."""
        return [word for _, word, _ in self._records()]

    def _open(self) -> BufferedIOBase:
        with self.path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        return gzip.GzipFile(self.path) if zipped else self.path.open("rb")

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self.path} is a damaged gzip file ({error}); fetch it again") from error

    def _records(self) -> Iterator[Record]:
        with self._open() as file:
            yield from self._binary_records(file) if self.binary else self._text_records(file)

    def _text_records(self, file: BufferedIOBase) -> Iterator[Record]:
        number = count = 0
        while line := self._read(lambda: file.readline(LONGEST_LINE)):
            number += 1
            line = line.rstrip() if number > 1 else line.rstrip().removeprefix(codecs.BOM_UTF8)
            if not line or (number == 1 and self.count is not None):
                continue
            place = f"{self.path}:{number}"
            found = line.count(b" ")
            if found < self.width or (found > self.width and self.count is not None):
                says = "the header says" if self.count is not None else "line 1 has"
                raise InputError(
                    f"{place}: {found} numbers, but {says} {self.width}; the file is truncated or damaged, or its "
                    "header wrong"
                )
            # in GloVe's files, which have no header, a word may hold spaces itself
            end = line.index(b" ") if found == self.width else len(line.rsplit(b" ", self.width)[0])
            yield place, self._word(line[:end], place), line[end + 1 :]
            count += 1
        if self.count is not None and count != self.count:
            raise InputError(
                f"{self.path}:1: the header says {self.count} words, but {count} follow; the file is truncated or its "
                "header wrong"
            )

    def _binary_records(self, file: BufferedIOBase) -> Iterator[Record]:
        self._read(lambda: file.readline(LONGEST_LINE))
        size = 4 * self.width
        buffer, start = b"", 0
        for number in range(1, cast(int, self.count) + 1):
            place = f"{self.path}: word {number} of {self.count}"
            while (end := buffer.find(b" ", start)) < 0 or len(buffer) < end + 1 + size:
                more = self._read(lambda: file.read(READ))
                if not more or len(buffer) - start > LONGEST_LINE:
                    raise InputError(f"{place}: the file ends or is damaged here; fetch it again")
                buffer, start = buffer[start:] + more, 0
            yield place, self._word(buffer[start:end].lstrip(b"\n"), place), buffer[end + 1 : end + 1 + size]
            start = end + 1 + size
        if (buffer[start:] + self._read(lambda: file.read(READ))).strip():
            raise InputError(f"{self.path}:1: more than the {self.count} words of the header follow; it is wrong")

    def _word(self, word: bytes, place: str) -> str:
        try:
            return word.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{place}: a word that is not UTF-8 ({error.reason}); save the file as UTF-8") from error

    def _vector(self, place: str, word: str, numbers: bytes) -> np.ndarray:
        if self.binary:
            vector = np.frombuffer(numbers, "<f4")
        else:
            try:
                vector = np.array([float(number) for number in numbers.split()], np.float32)
            except ValueError as error:
                raise InputError(f"{place}: the vector of {word!r} is not numbers ({error})") from error
        if len(vector) != self.width:
            raise InputError(f"{place}: {len(vector)} numbers instead of {self.width} for {word!r}")
        if not np.isfinite(vector).all() or not vector.any():
            fault = "a zero" if np.isfinite(vector).all() else "a non-finite"
            raise InputError(f"{place}: {word!r} has {fault} vector; remove the line, or leave the word out")
        return vector


def _numbers_at_end(fields: list[bytes]) -> int:
    """How many fields at the end of a line are numbers."""
    count = 0
    for field in reversed(fields):
        try:
            float(field)
        except ValueError:
            break
        count += 1
    return count
