"""Memory-mapped arrays: their rows are read and written in blocks, so that they need not fit in memory."""

import mmap
import tempfile
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

ROWS = 16_384  # rows of a block
IN_MEMORY = 1 << 26  # bytes; larger results go to a temporary file


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of at most `ROWS` rows; a read-only mapped array releases each block's pages before yielding the next."""
    for start in range(0, len(array), ROWS):
        yield array[start : start + ROWS]
        release(array)


def release(array: np.ndarray) -> None:
    """Frees the memory of an array that is mapped read-only; other arrays may hold changes, so they are left alone."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base.base, mmap.mmap):
        base = base.base
    if isinstance(base, np.memmap) and base.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped: Any = base.base
        mapped.madvise(mmap.MADV_DONTNEED)


def collected(parts: Iterator[np.ndarray], rows: int) -> np.ndarray:
    """Joins blocks of rows into one array.

    Args:
        parts: (row, width) each, at least one.
        rows: the number of rows of all blocks.
    Returns:
        (rows, width) float32: in memory, or, if it takes more than `IN_MEMORY` bytes, mapped from a temporary file.
    """
    first = next(parts)
    shape = (rows, first.shape[1])
    if rows * first.shape[1] * 4 > IN_MEMORY:
        with tempfile.TemporaryFile() as file:
            for part in chain([first], parts):
                file.write(np.ascontiguousarray(part, np.float32).data)
            file.flush()
            return np.memmap(file, np.float32, "r", shape=shape)
    array = np.empty(shape, np.float32)
    done = 0
    for part in chain([first], parts):
        array[done : done + len(part)] = part
        done += len(part)
    return array
