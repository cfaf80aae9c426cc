"""A target of fuzzing: a reader, and a small folder as it should be.

A target's `read` returns a digest of all that it took from the files. If a damaged file that carries a hash is read
without an error, the digest must equal that of the intact file.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch


@dataclass
class Target:
    """A reader with what it reads.

    `make` fills an empty folder; `read` reads it, or as much of it as the damaged file touches. `files` are patterns of
    what is damaged, `hashed` of what carries a hash. `share` is the relative frequency of the
    target; `keep_cache`: its folder has a cache of label files.
    """

    name: str
    make: Callable[[Path], Any]
    read: Callable[[Path, Any, Path], str]
    files: tuple[str, ...]
    hashed: tuple[str, ...] = ()
    share: float = 1.0
    keep_cache: bool = False
    state: Any = field(default=None, repr=False)


def digest(*values: Any) -> str:
    """The hash of arrays, tensors and plain values."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, torch.Tensor):
            value = value.float().numpy()
        if isinstance(value, np.ndarray):
            found.update(str(value.shape).encode() + np.ascontiguousarray(value).tobytes())
        else:
            found.update(repr(value).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files of a folder that a pattern fits, by the end of their path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(path.match(pattern) for pattern in patterns)]


def cache_in(folder: Path) -> None:
    """Sets the folder of the toolkit's cache."""
    os.environ["ZSL_CACHE"] = str(folder / "cache")
