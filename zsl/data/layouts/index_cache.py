"""A cache of what was parsed from large label files; it is valid until one of them changes."""

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as safetensors_bytes

from embeddings.io import atomic, hashed_file
from embeddings.io.cache import default_cache
from embeddings.io.errors import InputWarning

Arrays = dict[str, np.ndarray]
FORMAT = "zsl-index/2"


def cached(kind: str, sources: Sequence[Path], options: object, parse: Callable[[], Arrays]) -> Arrays:
    """The arrays that `parse` makes from files, from the cache if the files and options are unchanged.

    Cached files are checked by their hash; a damaged one is reported and made again.

    Args:
        kind: the kind of dataset, with the version of its parser.
        sources: the files that are parsed.
        options: what else the arrays depend on; a value that JSON can hold.
        parse: makes the arrays.
    Returns:
        the arrays by name.
    """
    found = [(path, path.stat()) for path in sources]
    stamps = [(str(path.resolve()), told.st_size, told.st_mtime_ns, told.st_ctime_ns) for path, told in found]
    key = hashlib.sha256(json.dumps([FORMAT, kind, stamps, options]).encode()).hexdigest()
    path = default_cache() / f"{key}.safetensors"
    if path.is_file():
        try:
            hashed_file.check(path)
            return load_file(path)
        except (OSError, SafetensorError, ValueError) as error:
            told = f"the index {path} of {sources[0] if sources else kind} is damaged ({error}); it is made again"
            warnings.warn(told, InputWarning, stacklevel=2)
    arrays = parse()
    with suppress(OSError):  # a cache that cannot be written to only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as file:
            hashed_file.dump(file, safetensors_bytes(arrays, hashed_file.UNHASHED))
    return arrays


def packed(names: Sequence[str]) -> np.ndarray:
    """Names as an array, which `unpacked` reads."""
    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def unpacked(array: np.ndarray) -> tuple[str, ...]:
    """The names in an array of `packed`."""
    return tuple(json.loads(array.tobytes()))
