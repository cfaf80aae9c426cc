"""The folder that keeps what can be made again: encoded texts, and the index of large label files."""

import os
from pathlib import Path


def default_cache() -> Path:
    """$ZSL_CACHE, or `zsl` in the user's cache folder. You may delete it at any time."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ZSL_CACHE") or Path(home) / "zsl")
