"""Reads Matlab files in a separate process, because scipy's compiled reader may crash on a damaged file.

That process runs this file as a script; it imports nothing of the toolkit.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MEMORY = 1 << 29  # bytes of data that the process may have; the published files need a fraction
SECONDS = 10


def read_matlab(path: Path, variable: str) -> Any:
    """A variable of a Matlab file: a list of numbers and texts, or for records {"field": list}.

    Raises:
        ValueError: the file cannot be read; the message says why.
    """
    command = [sys.executable, "-P", __file__, str(path), variable, str(MEMORY)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"reading it takes more than {SECONDS} s") from error
    if ended.returncode < 0:
        raise ValueError("its parts do not fit together")
    if ended.returncode:
        raise ValueError((ended.stderr.strip().splitlines() or ["unreadable"])[-1][:200])
    return json.loads(ended.stdout)


def _main(path: str, variable: str, memory: str) -> None:
    from contextlib import suppress

    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    import numpy as np
    from scipy.io import loadmat

    def plain(values: Any) -> list[Any]:
        return [value.item() if isinstance(value, np.generic) else str(value) for value in values]

    found = np.atleast_1d(loadmat(path, squeeze_me=True, variable_names=[variable])[variable])
    fields = found.dtype.names
    print(json.dumps(plain(found) if fields is None else {name: plain(found[name]) for name in fields}))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Exception as error:  # scipy raises many kinds of errors on a damaged file
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
