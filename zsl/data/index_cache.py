"""What was parsed out of large label files, kept until one of them changes."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as safetensors_bytes

from embeddings import atomic
from embeddings.build import default_cache

Arrays = dict[str, np.ndarray]


def cached(kind: str, sources: Sequence[Path], options: object, parse: Callable[[], Arrays]) -> Arrays:
    """The arrays that `parse` makes of files, or those that it made of the same files and options before."""
    found = [(path, path.stat()) for path in sources]
    stamps = [(str(path.resolve()), told.st_size, told.st_mtime_ns, told.st_ctime_ns) for path, told in found]
    key = hashlib.sha256(json.dumps([kind, stamps, options]).encode()).hexdigest()
    path = default_cache() / f"{key}.safetensors"
    if path.is_file():
        try:
            return load_file(path)
        except (OSError, SafetensorError, ValueError):
            path.unlink(missing_ok=True)  # damaged: it is made again
    arrays = parse()
    with suppress(OSError):  # a cache that cannot be written to only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, safetensors_bytes(arrays))
    return arrays


def packed(names: Sequence[str]) -> np.ndarray:
    """Names as an array."""
    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def unpacked(array: np.ndarray) -> tuple[str, ...]:
    """The names that were packed."""
    return tuple(json.loads(array.tobytes()))
