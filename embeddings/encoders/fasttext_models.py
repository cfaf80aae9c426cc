"""fastText: a word's vector is the mean of its own vector and those of its letter n-grams; reads native `.bin` files.

gensim's loader reads the whole file into memory, and never returns if the file ends within a word. Only its function
for n-grams is used here; the tests compare the results with gensim's.
"""

import mmap
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.word_table import Found, WordTable
from embeddings.io.errors import InputError
from embeddings.io.mapping import ROWS, collected, release
from embeddings.io.reading import reason_of

MAGIC = b"\xba\x16\x4f\x2f"
BEGIN = struct.Struct("<2i12id3i2q")  # magic and version, 12 numbers and one of training, counts, tokens and pruned
ENTRY = struct.Struct("<qb")  # after a word and its zero byte: its count, and whether it is a label
MATRIX = struct.Struct("<?2q")  # quantised, rows, columns


class SubwordTable(WordTable):
    """A table in which a word's vector is the mean of its own row and the rows of its n-grams.

    Args:
        rows: the row of each word in `own`.
        own: (word, embed), the words' own vectors.
        ngrams: (bucket, embed), the n-grams' vectors by their hashes; no rows for a model without n-grams.
        letters: the shortest and the longest length of an n-gram.
        place: the table's name in messages.
        remark: what is odd about the table; "" if nothing is.
    Raises:
        ValueError: the parts do not fit together.
    """

    def __init__(
        self,
        rows: Mapping[str, int],
        own: np.ndarray,
        ngrams: np.ndarray,
        letters: tuple[int, int],
        place: str,
        remark: str = "",
    ):
        super().__init__(place)
        if own.ndim != 2 or ngrams.ndim != 2 or own.shape[1] != ngrams.shape[1]:
            raise ValueError(f"words of shape {own.shape} with n-grams of shape {ngrams.shape}")
        if not all(0 <= length < 2**31 for length in letters):
            raise ValueError(f"n-grams of {letters[0]} to {letters[1]} letters")
        self.rows, self.own, self.ngrams, self.letters, self.remark = rows, own, ngrams, letters, remark
        # a model may have been trained without n-grams
        self.has_subwords = len(ngrams) > 0 and letters[1] > 0

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """The wanted words that the table has."""
        words = [word for word in wanted() if word in self.rows]
        vectors = collected(self._blocks(words), len(words)) if words else np.empty((0, self.own.shape[1]), np.float32)
        return Found({word: row for row, word in enumerate(words)}, vectors, remark=self.remark)

    def words(self) -> Collection[str]:
        """All words."""
        return self.rows

    def subwords(self, text: str) -> list[int]:
        """The buckets of the text's n-grams."""
        from gensim.models.fasttext import ft_ngram_hashes

        found: list[int] = ft_ngram_hashes(text, *self.letters, len(self.ngrams)) if self.has_subwords else []
        return found

    def from_subwords(self, text: str) -> np.ndarray:
        """The mean of the n-grams' vectors."""
        buckets = self.subwords(text)
        total = np.zeros(self.own.shape[1], np.float32)
        for bucket in buckets:
            total += self.ngrams[bucket]
        return total / len(buckets)

    def _blocks(self, words: list[str]) -> Iterator[np.ndarray]:
        for start in range(0, len(words), ROWS):
            yield np.stack([self._vector(word) for word in words[start : start + ROWS]])
            release(self.own)
            release(self.ngrams)

    def _vector(self, word: str) -> np.ndarray:
        buckets = self.subwords(word)
        total = np.array(self.own[self.rows[word]], np.float32)
        for bucket in buckets:
            total += self.ngrams[bucket]
        return total / (len(buckets) + 1)


def subword_table(keyed: Any, place: str) -> SubwordTable:
    """A table over gensim's `FastTextKeyedVectors`; `place` is its name in messages."""
    return SubwordTable(
        keyed.key_to_index, keyed.vectors_vocab, keyed.vectors_ngrams, (keyed.min_n, keyed.max_n), place
    )


def load_fasttext(path: Path) -> SubwordTable:
    """Reads fastText's native `.bin`, with its subwords; the vectors are memory-mapped.

    Raises:
        InputError: a file that is truncated, damaged, quantised (`.ftz`), or a classifier.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _table(path, content)
    except InputError:
        raise
    except (ValueError, struct.error) as error:
        raise InputError(
            f"{path} is a truncated or damaged fastText file ({reason_of(error)}); fetch it again"
        ) from error


def _table(path: Path, content: mmap.mmap) -> SubwordTable:
    begin = BEGIN.unpack_from(content)
    width, bucket, least, most = begin[2], begin[10], begin[11], begin[12]
    entries, words, labels, _, pruned = begin[15:]
    if labels > 0:
        raise InputError(f"{path} is a fastText classifier, with {labels} labels; give a model of word vectors")
    rows, strange, place = _dictionary(content, entries)
    place += 8 * max(pruned, 0)
    if place + MATRIX.size > len(content):
        raise ValueError("it ends before the vectors")
    quantised, count, columns = MATRIX.unpack_from(content, place)
    if quantised or pruned > 0:
        raise InputError(f"{path} is a quantised fastText model (.ftz); give the .bin that it was made from")
    if entries != words or (count, columns) != (words + bucket, width) or min(words, bucket) < 0 or width < 1:
        raise ValueError(
            f"{entries} entries, {words} words and {bucket} buckets with {count} vectors of {columns} numbers"
        )
    missing = place + MATRIX.size + 4 * count * columns - len(content)
    if missing > 0:
        raise ValueError(f"{missing:,} bytes of the vectors are missing")
    vectors = np.memmap(path, "<f4", "r", place + MATRIX.size, (count, columns))
    remark = f"words that are not UTF-8, left out: {strange:,}" if strange else ""
    return SubwordTable(rows, vectors[:words], vectors[words:], (least, most), str(path), remark)


def _dictionary(content: mmap.mmap, entries: int) -> tuple[dict[str, int], int, int]:
    """The row of each word, the number of words that are not text, and the place where the dictionary ends."""
    rows: dict[str, int] = {}
    strange, place = 0, BEGIN.size
    for row in range(entries):
        end = content.find(b"\0", place)
        if end < 0 or end + 1 + ENTRY.size > len(content):
            raise ValueError(f"it ends in word {row + 1} of {entries}")
        try:
            rows.setdefault(content[place:end].decode(), row)
        except UnicodeDecodeError:
            strange += 1
        place = end + 1 + ENTRY.size
    return rows, strange, place
