"""The bank's file: one safetensors file, written a block of rows at a time, read memory-mapped.

Tensors `vectors` (label, embed) float32, `labels` and `notes` (JSON in UTF-8), and the arrays of the transforms. The
metadata hold the provenance and the file's hash (see `hashed_file`).
"""

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings import atomic, hashed_file
from embeddings.errors import InputError
from embeddings.hashed_file import NO_HASH
from embeddings.transforms import Transform

FORMAT = "zsl-bank/2"


@dataclass(frozen=True)
class Provenance:
    """How vectors were made: enough to make them again, and to give new labels the same treatment.

    `encoder` is the spec and `revision` identifies its weights (hashes); `prompts` are the templates that turned names
    into text, `descriptions` the hash of the texts that stood in for them, "" where none did; `oov` the policy for
    names out of vocabulary, `seed` that of encoders that draw numbers. `skipped` lists labels that were asked for and
    left out. `remarks` say what a user should know of the encoders: rows of a file that could not be read, a pooling
    that was guessed, a prompt that a model puts before every text.
    """

    encoder: str = "given"
    revision: str = ""
    prompts: tuple[str, ...] = ("{}",)
    descriptions: str = ""
    oov: tuple[str, ...] = ()
    seed: int = 0
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Head:
    """A bank without its vectors."""

    labels: tuple[str, ...]
    provenance: Provenance
    notes: tuple[str, ...]
    num_seen: int
    transforms: tuple[Transform, ...]


def _parts(head: Head, width: int) -> tuple[bytes, list[bytes]]:
    """The file's beginning, with no hash yet, and what follows the vectors."""
    noted = {row: note for row, note in enumerate(head.notes) if note}
    sized = {"F32": 4, "F64": 8, "I64": 8, "U8": 1}
    entries: list[tuple[str, str, tuple[int, ...]]] = [("vectors", "F32", (len(head.labels), width))]
    tail = [json.dumps(value, ensure_ascii=False).encode() for value in (head.labels, noted)]
    entries += [(name, "U8", (len(content),)) for name, content in zip(("labels", "notes"), tail, strict=True)]
    for place, transform in enumerate(head.transforms):
        for name, array in sorted(transform.arrays.items()):
            kind = "I64" if array.dtype.kind == "i" else "F64"
            stored = np.ascontiguousarray(array, "<i8" if kind == "I64" else "<f8")
            entries.append((f"transforms.{place}.{name}", kind, stored.shape))
            tail.append(stored.tobytes())
    made = {
        "format": FORMAT,
        # without remarks a bank has the bytes, and the hash, that it had before there were any
        "provenance": {name: value for name, value in asdict(head.provenance).items() if value or name != "remarks"},
        "num_seen": head.num_seen,
        "transforms": [transform.name for transform in head.transforms],
    }
    header: dict[str, Any] = {"__metadata__": {"sha256": NO_HASH, "bank": json.dumps(made, sort_keys=True)}}
    offset = 0
    for name, kind, shape in entries:
        size = math.prod(shape) * sized[kind]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, tail


def _content(head: Head, width: int, blocks: Iterable[np.ndarray]) -> Iterator[bytes | memoryview]:
    begin, tail = _parts(head, width)
    yield begin
    rows = 0
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != width:
            raise ValueError(f"a block of shape {block.shape} in a bank of width {width}")
        rows += len(block)
        yield np.ascontiguousarray(block, "<f4").data.cast("B")
    if rows != len(head.labels):
        raise ValueError(f"{rows} vectors for {len(head.labels)} labels")
    yield from tail


def digest(head: Head, width: int, blocks: Iterable[np.ndarray]) -> str:
    """The hash that the file would have."""
    found = hashlib.sha256()
    for part in _content(head, width, blocks):
        found.update(part)
    return found.hexdigest()


def write(path: Path, head: Head, width: int, blocks: Iterable[np.ndarray]) -> str:
    """Writes the file atomically and returns its hash; `blocks` are the vectors in order, (rows, width) each."""
    found = hashlib.sha256()
    place = 0
    with atomic.replacing(path) as file:
        for part in _content(head, width, blocks):
            place = place or bytes(part).index(NO_HASH.encode())
            found.update(part)
            file.write(part)
        file.seek(place)
        file.write(found.hexdigest().encode())
    return found.hexdigest()


def read(path: Path, mode: Literal["r", "c"]) -> tuple[Head, np.ndarray, str]:
    """Head, memory-mapped vectors and hash of a file, which is read once to check the hash.

    Args:
        path: of the file.
        mode: of the mapping; vectors are read-only under "r" and copied when they are changed under "c".
    Raises:
        InputError: no such file, not a bank, damaged.
    """
    if not path.is_file():
        raise InputError(f"no bank file {path}")
    try:
        begin, header = hashed_file.check(path)
        sha256 = header["__metadata__"]["sha256"]
        made = json.loads(header["__metadata__"]["bank"])
        if made["format"] != FORMAT:
            raise InputError(f"{path} is a bank of another version ({made['format']}); build it again")
        del header["__metadata__"]
        tensors = {name: _mapped(path, begin, entry, mode) for name, entry in header.items()}
        labels = tuple(json.loads(tensors["labels"].tobytes()))
        notes = [""] * len(labels)
        for row, note in json.loads(tensors["notes"].tobytes()).items():
            notes[int(row)] = note
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in made["provenance"].items()}
        provenance = Provenance(**values)
        transforms = []
        for place, name in enumerate(made["transforms"]):
            prefix = f"transforms.{place}."
            arrays = {key.removeprefix(prefix): np.array(t) for key, t in tensors.items() if key.startswith(prefix)}
            transforms.append(Transform(name, arrays))
        head = Head(labels, provenance, tuple(notes), made["num_seen"], tuple(transforms))
    except InputError:
        raise
    except (struct.error, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{path} is not an intact bank file ({error}); build it again") from error
    return head, tensors["vectors"], sha256


def _mapped(path: Path, offset: int, entry: dict[str, Any], mode: Literal["r", "c"]) -> np.ndarray:
    kind = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1"}[entry["dtype"]]
    start, _ = entry["data_offsets"]
    return np.memmap(path, kind, mode, offset + start, tuple(entry["shape"]))
