"""The cache folder: encoded texts, and the index of large label files. All of it can be made again."""

import os
from pathlib import Path


def default_cache() -> Path:
    """$ZSL_CACHE, or `zsl` in the user's cache folder. You may delete it at any time."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ZSL_CACHE") or Path(home) / "zsl")
