"""safetensors files that hold a hash of their own content, which is checked before anything else reads them.

`sha256` in the metadata is the hash of the whole file with zeros in place of the hash itself, so that a flipped bit is
noticed anywhere, in the header too.
"""

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

NO_HASH = "0" * 64
UNHASHED = {"sha256": NO_HASH}  # the metadata to serialise tensors with, for `dump`
MAX_HEADER = 100_000_000  # bytes; safetensors' own limit
BLOCK = 1 << 22  # bytes of a file read at once


def dump(file: BinaryIO, content: bytes) -> str:
    """Writes a serialised safetensors file with its hash.

    Args:
        file: open for writing.
        content: the file's bytes, with `UNHASHED` as its metadata.
    Returns:
        the hash, 64 hexadecimal digits.
    """
    place = content.index(b'"' + NO_HASH.encode() + b'"') + 1
    sha256 = hashlib.sha256(content).hexdigest()
    file.writelines([memoryview(content)[:place], sha256.encode(), memoryview(content)[place + len(NO_HASH) :]])
    return sha256


def check(path: Path) -> tuple[int, dict[str, Any]]:
    """Checks a file's hash; the file is read once, in blocks.

    Returns:
        the number of bytes before the tensors, and the header.
    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a safetensors file, has no hash, or has changed since it was written.
    """
    with path.open("rb") as file:
        begin, header = _header(file, path.stat().st_size)
        metadata = header.get("__metadata__")
        sha256 = metadata.get("sha256") if isinstance(metadata, dict) else None
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError("it carries no sha256")
        found = hashlib.sha256(begin.replace(sha256.encode(), NO_HASH.encode(), 1))
        while block := file.read(BLOCK):
            found.update(block)
    if found.hexdigest() != sha256:
        raise ValueError("its content does not match its sha256")
    return len(begin), header


def _header(file: BinaryIO, size: int) -> tuple[bytes, dict[str, Any]]:
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ValueError("it ends within its first 8 bytes")
    (length,) = struct.unpack("<Q", prefix)
    if length > min(MAX_HEADER, size - 8):
        raise ValueError("its header is too long")
    text = file.read(length)
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    return prefix + text, header
