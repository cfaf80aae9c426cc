"""Memory-mapped arrays."""

import mmap
from typing import Any

import numpy as np


def release(array: np.ndarray) -> None:
    """Lets the pages of a read-only memory-mapped array go: they need not stay in memory once they are read."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
