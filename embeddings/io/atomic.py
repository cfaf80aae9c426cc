"""Writes files atomically: a crash never leaves a part of a file."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `path`; the end of the `with` block flushes it to the disk and renames it to `path`.

    A crash or an exception leaves the old file, or no file if there was none. As with an ordinary write, an existing
    file keeps its permissions, a new file gets those of the umask, and a symbolic link stays: the file that it points
    to is replaced.

    Args:
        path: the file to write.
    Yields:
        the temporary file, open for reading and writing bytes.
    Raises:
        OSError: the file cannot be written; the error names `path`.
    """
    target = Path(os.path.realpath(path))
    start = os.fsencode(target.name)[:100].decode(errors="ignore")  # a name may have 255 bytes
    made = target.with_name(f".{start}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # not the temporary name
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if target.exists():
                os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        made.replace(target)
    except BaseException as error:
        made.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(made)):  # a full disk, a folder in its place
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Writes bytes to a file atomically (see `replacing`)."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Writes text to a file atomically (see `replacing`), in UTF-8."""
    write_bytes(path, content.encode())
