"""The file of a bank: one safetensors file, written a block of rows at a time and read memory-mapped.

It holds the tensors `vectors` (label, embed) float32, `labels` and `notes` (JSON in UTF-8), and the arrays of the
transforms. The metadata hold the provenance and the file's hash (see `hashed_file`).
"""

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import NonNegativeInt, TypeAdapter

from embeddings.banks.transforms import Transform
from embeddings.io import atomic, hashed_file
from embeddings.io.errors import InputError
from embeddings.io.hashed_file import NO_HASH
from embeddings.io.mapping import blocks
from embeddings.io.reading import parse_model, reason_of

FORMAT = "zsl-bank/2"
REMEDY = "build it again"


@dataclass(frozen=True)
class Provenance:
    """How vectors were made: enough to make them again, and to treat new labels in the same way.

    Args:
        encoder: the spec; "object:" and a name for an object given from Python; "given" for vectors that came without
            an encoder.
        revision: identifies the encoder's weights, mostly by a hash; "" if an object gave none.
        prompts: the templates that turned names into texts.
        descriptions: the hash of the texts that were encoded instead of names; "" if there were none.
        oov: the policy for names out of vocabulary.
        seed: for encoders that draw random numbers.
        skipped: labels that were requested and left out, because the encoder has no vector for them.
        remarks: what a user should know about the encoders: rows of a file that could not be read, a pooling method
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
    """The bytes before the vectors, with zeros for the hash, and the parts after them."""
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
        # a bank without remarks has the same bytes and hash as in earlier versions, which had no remarks
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
    """The hash that the file would have.

    Args:
        head: everything in the bank except its vectors.
        width: of a vector.
        blocks: the vectors in order, (rows, width) each.
    """
    found = hashlib.sha256()
    for part in _content(head, width, blocks):
        found.update(part)
    return found.hexdigest()


def write(path: Path, head: Head, width: int, blocks: Iterable[np.ndarray]) -> str:
    """Writes the file atomically and returns its hash.

    Args:
        path: the file to write.
        head: everything in the bank except its vectors.
        width: of a vector.
        blocks: the vectors in order, (rows, width) each.
    """
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


@dataclass(frozen=True)
class _Version:
    format: str


@dataclass(frozen=True)
class _Made:
    """The part of a bank that is in the metadata."""

    provenance: Provenance
    num_seen: int
    transforms: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A tensor of the file."""

    dtype: Literal["F32", "F64", "I64", "U8"]
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


def read(path: Path, mode: Literal["r", "c"]) -> tuple[Head, np.ndarray, str]:
    """Reads a file; its hash and its vectors are checked.

    Args:
        path: the file.
        mode: "r" maps the vectors read-only; "c" allows changes, which stay in memory.
    Returns:
        everything in the bank except its vectors; the vectors, memory-mapped; the hash.
    Raises:
        InputError: the file is missing, damaged or not a bank; a vector is not finite or all zeros.
    """
    if not path.is_file():
        raise InputError(f"no bank file {path}; check the path, or restore it")
    try:
        begin, header = hashed_file.check(path)
        metadata = header.pop("__metadata__")
        version = parse_model(metadata["bank"], _Version, str(path), REMEDY)
        if version.format != FORMAT:
            raise InputError(f"{path} is a bank of another version ({version.format}); {REMEDY}")
        made = parse_model(metadata["bank"], _Made, str(path), REMEDY)
        entries = TypeAdapter(dict[str, _Entry]).validate_python(header)
        tensors = {name: _mapped(path, begin, entry, mode) for name, entry in entries.items()}
        labels = TypeAdapter(tuple[str, ...]).validate_json(tensors["labels"].tobytes())
        notes = [""] * len(labels)
        for row, note in TypeAdapter(dict[NonNegativeInt, str]).validate_json(tensors["notes"].tobytes()).items():
            notes[row] = note
        transforms = []
        for place, name in enumerate(made.transforms):
            prefix = f"transforms.{place}."
            arrays = {key.removeprefix(prefix): np.array(t) for key, t in tensors.items() if key.startswith(prefix)}
            transforms.append(Transform(name, arrays))
        for _ in checked(blocks(_mapped(path, begin, entries["vectors"], "r")), labels, f"{path}: label", REMEDY):
            pass
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path} is not an intact bank file ({reason_of(error)}); {REMEDY}") from error
    head = Head(labels, made.provenance, tuple(notes), made.num_seen, tuple(transforms))
    return head, tensors["vectors"], metadata["sha256"]


def _mapped(path: Path, offset: int, entry: _Entry, mode: Literal["r", "c"]) -> np.ndarray:
    kind = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1"}[entry.dtype]
    start, end = entry.data_offsets
    if math.prod(entry.shape) * np.dtype(kind).itemsize != end - start:
        raise ValueError(f"{end - start} bytes for a tensor of shape {entry.shape}")
    return np.memmap(path, kind, mode, offset + start, entry.shape)


def checked(parts: Iterable[np.ndarray], names: Sequence[str], place: str, remedy: str) -> Iterator[np.ndarray]:
    """Yields blocks of rows after checking that every row is finite and not all zeros.

    Args:
        parts: (row, width) each.
        names: of all rows.
        place: what the message says before the name.
        remedy: what to do, for the message.
    Yields:
        the same blocks.
    Raises:
        InputError: a row is not finite or all zeros; the message names it.
    """
    done = 0
    for part in parts:
        for fault, bad in (("non-finite", ~np.isfinite(part).all(1)), ("zero", ~part.any(1))):
            if bad.any():
                raise InputError(f"{place} {names[done + int(np.argmax(bad))]!r} has a {fault} vector; {remedy}")
        done += len(part)
        yield part
