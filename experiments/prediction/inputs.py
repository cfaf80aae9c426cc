"""Which pictures are asked about: files, folders, patterns, or a list on stdin."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from embeddings.io.errors import InputError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
STDIN = "-"


def picture_paths(given: Sequence[str], stdin: Iterable[str]) -> list[str]:
    """The paths of pictures, in the order given; a folder's are sorted by path.

    Args:
        given: files, folders (with all folders in them), patterns such as "photos/*.jpg", or "-" for `stdin`.
        stdin: a path per line.
    Returns:
        the paths; files are not opened.
    Raises:
        InputError: a file or folder that does not exist; no picture.
    """
    paths = [path for one in given for path in _of(one, stdin)]
    if not paths:
        raise InputError("there is no picture; give files, folders, patterns, or - for a list of paths on stdin")
    return paths


def _of(given: str, stdin: Iterable[str]) -> Iterator[str]:
    if given == STDIN:
        yield from (line.rstrip("\r\n") for line in stdin if line.strip())
    elif not given:
        raise InputError("the path of a picture is empty; give a file or a folder")
    elif Path(given).is_dir():
        found = sorted(_in_folder(given))
        if not found:
            raise InputError(f"folder {given} holds no picture ({', '.join(ENDINGS)})")
        yield from found
    elif Path(given).exists() or not glob.has_magic(given):
        if not Path(given).is_file():
            raise InputError(f"there is no picture {given}")
        yield given
    else:
        matched = sorted(path for path in glob.glob(given, recursive=True) if Path(path).is_file())  # noqa: PTH207 - it may be absolute
        if not matched:
            raise InputError(f"no file matches {given}")
        yield from matched


def _in_folder(folder: str) -> Iterator[str]:
    for place, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (str(Path(place) / name) for name in files if name.lower().endswith(ENDINGS))
