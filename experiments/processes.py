"""Python in processes of its own, which find the toolkit where this process does.

`python -m` and `python -c` look in the working directory first, where users may have an `experiments` of their own.
"""

import os
import sys
from pathlib import Path


def own_environment(**more: str) -> dict[str, str]:
    """The environment of such a process: modules are looked for where this process looks, and nowhere before.

    Args:
        more: variables over those of this process.
    """
    places = [os.path.abspath(place) for place in sys.path if Path(place).exists()]  # noqa: PTH100 "" is a place too
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(places)} | more
