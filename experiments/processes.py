"""The environment of Python subprocesses, which must import the same toolkit as this process.

`python -m` and `python -c` look in the working directory first, where users may have an `experiments` of their own.
"""

import os
import sys
from pathlib import Path


def own_environment(**more: str) -> dict[str, str]:
    """The environment of a subprocess that searches for modules first where this process does.

    Args:
        more: further variables; they replace those of this process.
    """
    places = [os.path.abspath(place) for place in sys.path if Path(place).exists()]  # noqa: PTH100 "" is a place too
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(places)} | more
