"""What was parsed out of large label files, kept until one of them changes."""

import hashlib
import json
from collections.abc import Callable, Sequence
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
    stamps = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
    key = hashlib.sha256(json.dumps([kind, stamps, options]).encode()).hexdigest()
    path = default_cache() / f"{key}.safetensors"
    if path.is_file():
        try:
            return load_file(path)
        except (OSError, SafetensorError, ValueError):
            path.unlink()  # damaged: it is made again
    arrays = parse()
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, safetensors_bytes(arrays))
    return arrays


def packed(names: Sequence[str]) -> np.ndarray:
    """Names, none of which holds a line break, as an array."""
    return np.frombuffer("\n".join(names).encode(), np.uint8)


def unpacked(array: np.ndarray) -> tuple[str, ...]:
    """The names that were packed."""
    return tuple(array.tobytes().decode().split("\n")) if array.size else ()
