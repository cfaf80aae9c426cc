"""Files of word vectors: word2vec's text and binary formats, and GloVe's text without a header; plain or gzip.

One pass over the file keeps only the requested rows, so that a thousand names from a file of millions of words need
little memory. Published files have headers with a wrong count, words with spaces and words that are not text. These do
not affect other rows, so they are only counted; the message about a name that is not found reports them.
"""

import codecs
import gzip
import math
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from embeddings.encoders.encoder import MAX_WIDTH
from embeddings.encoders.word_table import Found, WordTable
from embeddings.io.errors import InputError

DIGITS = 18  # of a header's numbers
LONGEST_LINE = 1 << 22
SNIFFED = 1 << 12
CONTROL = set(range(9)) | set(range(14, 32))  # bytes that text never contains, and binary vectors often do
READ = 1 << 20
LOST = 1_000  # up to this many rows, or as many as are kept, may be unusable; with more, the file has another format
RATIO, ROOM = 100, 1 << 26  # a gzip file may unpack to RATIO times its size and ROOM bytes

Row = tuple[int, bytes, bytes]  # number of the line (text) or of the word (binary); word; numbers


class _Bytes:
    """A file; if it is a gzip file, it is unpacked while it is read."""

    def __init__(self, path: Path):
        self.path = path
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        self.file: BufferedIOBase = gzip.GzipFile(path) if zipped else path.open("rb")
        self.left = RATIO * path.stat().st_size + ROOM if zipped else math.inf

    def __enter__(self) -> "_Bytes":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def readline(self) -> bytes:
        return self._checked(lambda: self.file.readline(LONGEST_LINE))

    def read(self) -> bytes:
        return self._checked(lambda: self.file.read(READ))

    def _checked(self, read: Callable[[], bytes]) -> bytes:
        try:
            content = read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{self.path} is a damaged gzip file ({error}); fetch it again") from error
        self.left -= len(content)
        if self.left < 0:
            told = f"{self.path} unpacks to more than {RATIO} times its size, which vectors never do"
            raise InputError(f"{told}; unpack it")
        return content


@dataclass(frozen=True)
class Layout:
    """How a file's rows are written.

    Args:
        path: the file.
        count: the number of words in the header; None without a header.
        width: numbers per word.
        binary: whether numbers are binary float32, not text.
    """

    path: Path
    count: int | None
    width: int
    binary: bool

    def place(self, number: int) -> str:
        """Where a row is, for messages."""
        return f"{self.path}: word {number}" if self.binary else f"{self.path}:{number}"


def read_layout(path: Path) -> Layout:
    """The layout of a file, from its first two rows.

    Raises:
        InputError: not a file of words and vectors.
    """
    with _Bytes(path) as file:
        first, second = file.readline().removeprefix(codecs.BOM_UTF8), file.readline()
        begin = set(second + file.read()[:SNIFFED])
    fields = first.split()
    count: int | None = None
    binary = False
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        if max(map(len, fields)) > DIGITS:
            raise InputError(f"{path}:1: its header has a number of more than {DIGITS} digits; the file is damaged")
        count, width = map(int, fields)
        binary = bool(begin & CONTROL) and _numbers_at_end(second.split()[1:]) < width
    else:
        width = _numbers_at_end(fields[1:]) if b"\t" not in first else 0
    if width < 1:
        tabs = "; its fields stand between tabs: write spaces" if b"\t" in first else ""
        raise InputError(
            f"{path}:1: neither a header 'COUNT WIDTH' nor a word with its numbers{tabs}; give a word2vec text or "
            "binary file or a GloVe file, plain or gzip, or one of gensim's or fastText's own files, not zipped"
        )
    if width > MAX_WIDTH:
        raise InputError(f"{path}:1: {width:,} numbers per word are more than {MAX_WIDTH:,}; correct the header")
    return Layout(path, count, width, binary)


class Scan:
    """One pass over a file's rows; it counts each kind of fault and keeps the place of the first."""

    def __init__(self, layout: Layout):
        self.layout = layout
        self.found = self.lost = self.blank = 0
        self.kinds: dict[str, tuple[int, str]] = {}
        self.end = ""

    def rows(self) -> Iterator[tuple[int, str, bytes]]:
        """Number, word and numbers of each usable row.

        Raises:
            InputError: a damaged file, or one with too few usable rows.
        """
        with _Bytes(self.layout.path) as file:
            for number, word, numbers in self._binary(file) if self.layout.binary else self._lines(file):
                try:
                    text = word.decode()
                except UnicodeDecodeError:
                    self._leave_out("words that are not UTF-8, left out", number)
                    continue
                self.found += 1
                yield number, text, numbers
        if not self.found:
            raise self._other_format()

    def remark(self) -> str:
        """What was odd about the rows; "" if nothing was."""
        kinds = [f"{kind}: {count:,} (first: {first})" for kind, (count, first) in self.kinds.items()]
        said, follow = self.layout.count, self.found + self.lost
        wrong = f"the header says {said:,} words, but {follow:,} follow" if said not in (None, follow) else ""
        return "; ".join(filter(None, [wrong, self.end, *kinds]))

    def _note(self, kind: str, number: int, detail: str = "") -> None:
        count, first = self.kinds.get(kind, (0, f"{'word' if self.layout.binary else 'line'} {number}{detail}"))
        self.kinds[kind] = (count + 1, first)

    def _leave_out(self, kind: str, number: int) -> None:
        self._note(kind, number)
        self.lost += 1
        self._check_share(self.lost)

    def _check_share(self, useless: int) -> None:
        if useless > max(LOST, self.found):
            raise self._other_format()

    def _other_format(self) -> InputError:
        odd = "; ".join(filter(None, [self.remark(), f"blank lines: {self.blank:,}" if self.blank else ""]))
        right = f"{self.found:,} rows are a UTF-8 word and {self.layout.width} numbers"
        rest = "it is damaged, or in another format or encoding"
        return InputError(f"{self.layout.path}: {right}, too many are not ({odd}); {rest}")

    def _lines(self, file: _Bytes) -> Iterator[Row]:
        width, number = self.layout.width, 0
        while line := file.readline():
            number += 1
            if len(line) == LONGEST_LINE:
                raise InputError(
                    f"{self.layout.place(number)}: a line of more than {LONGEST_LINE:,} bytes; it is damaged"
                )
            if number == 1 and self.layout.count is not None:
                continue
            line = line.rstrip() if number > 1 else line.rstrip().removeprefix(codecs.BOM_UTF8)
            if line.count(b" ") == width:
                word, _, numbers = line.partition(b" ")
                yield number, word, numbers
            elif line:
                yield from self._uneven(line, number)
            else:
                self.blank += 1
                self._check_share(self.blank)

    def _uneven(self, line: bytes, number: int) -> Iterator[Row]:
        """A row with spaces in its word, several spaces between its numbers, or too few numbers."""
        width = self.layout.width
        word, *numbers = line.rsplit(None, width)
        if len(numbers) < width:
            self._leave_out(f"rows of fewer than {width} numbers, left out", number)
            return
        pieces = word.split()
        # GloVe's own files, which have no header, have a few such words
        if len(pieces) > 1 and self.layout.count is not None:
            more = _numbers_at_end(pieces[1:])
            kind = f"rows of more than {width} numbers" if more else "words with spaces"
            self._note(kind, number, f", {word[:40].decode(errors='replace')!r}")
        yield number, word, b" ".join(numbers)

    def _binary(self, file: _Bytes) -> Iterator[Row]:
        file.readline()
        size = 4 * self.layout.width
        buffer, start, number = b"", 0, 1
        while True:
            while (end := buffer.find(b" ", start)) < 0 or len(buffer) < end + 1 + size:
                more = file.read()
                if not more or len(buffer) - start > LONGEST_LINE:
                    self.end = f"it ends or is damaged in word {number}" if buffer[start:].strip() else ""
                    return
                buffer, start = buffer[start:] + more, 0
            yield number, buffer[start:end].lstrip(b"\n"), buffer[end + 1 : end + 1 + size]
            start, number = end + 1 + size, number + 1


class WordFile(WordTable):
    """A table of words over a file.

    Raises:
        InputError: the file is in none of these formats.
    """

    def __init__(self, path: Path):
        super().__init__(str(path))
        self.layout = read_layout(path)

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """The rows of the wanted words, in a temporary file; for a word that appears twice, the first row.

        Raises:
            InputError: same as for `Scan.rows`.
        """
        rows: dict[str, int] = {}
        faults: dict[str, str] = {}
        names = wanted()
        scan = Scan(self.layout)
        with tempfile.TemporaryFile() as kept:
            for number, word, numbers in scan.rows():
                if word not in names or word in rows:
                    continue
                try:
                    kept.write(self._vector(numbers).data)
                    rows[word] = len(rows)
                except ValueError as error:
                    place = self.layout.place(number)
                    faults[word] = f"{place}: {word!r} has {error}; remove this row, or leave the word out"
            kept.flush()
            shape = (len(rows), self.layout.width)
            vectors = np.memmap(kept, np.float32, "r", shape=shape) if rows else np.empty(shape, np.float32)
        return Found(rows, vectors, faults, scan.remark())

    def words(self) -> list[str]:
        """All words, in order."""
        return [word for _, word, _ in Scan(self.layout).rows()]

    def _vector(self, numbers: bytes) -> np.ndarray:
        if self.layout.binary:
            vector = np.frombuffer(numbers, "<f4")
        else:
            with np.errstate(over="ignore"):  # reported below, like any number that is not finite
                vector = np.array(_floats(numbers.split()), np.float32)
        if len(vector) != self.layout.width:
            raise ValueError(f"{len(vector)} numbers instead of {self.layout.width}")
        if not np.isfinite(vector).all():
            raise ValueError("a non-finite vector")
        if not vector.any():
            raise ValueError("a zero vector")
        return vector


def _floats(fields: list[bytes]) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise ValueError(f"a vector that is not numbers ({str(error)[:100]})") from error


def _numbers_at_end(fields: list[bytes]) -> int:
    """The number of fields at the end of a line that are numbers."""
    count = 0
    for field in reversed(fields):
        try:
            float(field)
        except ValueError:
            break
        count += 1
    return count
