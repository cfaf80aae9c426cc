"""NUS-WIDE's features in LESA's TFRecords, read without TensorFlow.

A file is a stream of records that is compressed as a whole, so it can only be read in order. `zsl data extract` writes
it again as shards, from which models can be trained.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of
from embeddings.texts import read_labels
from zsl.data.dataset import MultiLabelData, Part, Rows
from zsl.data.in_order import InOrder
from zsl.data.layouts.features import FeaturesConfig, features_data
from zsl.data.layouts.index_cache import Arrays, cached
from zsl.data.targets import Targets

if TYPE_CHECKING:
    import torch

READ = 1 << 20
LONGEST = 1 << 26  # bytes of a record; those of the published files have 410,000


class TfRecordsConfig(FeaturesConfig):
    """`channels` is the size of a token."""

    name: Literal["tfrecords"] = "tfrecords"
    train: Path = Path("TFRecords/NUS_WIDE_Train_full_feature_ZLIB.tfrecords")
    features_test: Path = Path("TFRecords/NUS_WIDE_Test_full_feature_ZLIB.tfrecords")
    channels: int = Field(512, ge=1)

    @property
    def feature_files(self) -> dict[str, Path]:
        """The two files."""
        return {str(file): self.root / file for file in (self.train, self.features_test)}

    def load(self) -> MultiLabelData:
        """Images are in the order of the records.

        Raises:
            InputError: a missing or damaged file, features or labels of another size.
        """
        tags, unseen = read_labels(self.root / self.tags), read_labels(self.root / self.concepts)
        known = set(unseen)
        column = np.array([place for place, name in enumerate(tags) if name not in known])
        seen = tuple(tags[place] for place in column)
        parts, shapes = {}, {}
        for part, file in (("train", self.train), ("test", self.features_test)):
            path = self.root / file
            if not path.is_file():
                raise InputError(f"no file {path}")
            sizes = (len(tags), len(unseen), self.channels)
            arrays = cached("tfrecords/1", [path], sizes, partial(_parse, path, *sizes))
            count, tokens = (int(number) for number in arrays["size"])
            marked = _table(arrays["tags"], (count, len(tags))).columns(column)
            if part == "test":
                marked = marked.beside(_table(arrays["concepts"], (count, len(unseen))))
            stream = InOrder(partial(read_examples, path), str(path))
            parts[part] = Part(Records(path, self.channels, count, stream), marked)
            shapes[path] = (tokens, self.channels)
        return features_data("tfrecords", (seen, unseen), parts, shapes, self.test, in_order=True)


@dataclass(frozen=True)
class Records:
    """Tokens (batch, token, channel) float32 of a file's records."""

    path: Path
    channels: int
    count: int
    stream: InOrder[dict[str, bytes]]

    def __len__(self) -> int:
        return self.count

    def name(self, row: int) -> str:
        return f"record {row} of {self.path}"

    def read(self, rows: Rows) -> "torch.Tensor":
        import torch

        return torch.stack([self._features(int(row)) for row in rows])

    def _features(self, row: int) -> "torch.Tensor":
        import torch

        values = np.frombuffer(bytearray(self.stream.at(row).get("feature", b"")), np.uint8)
        if not len(values) or len(values) % (4 * self.channels):
            raise InputError(f"{self.name(row)} holds other features; it has changed since it was opened")
        return torch.from_numpy(values.view(np.float32)).view(-1, self.channels)


def _table(entries: np.ndarray, shape: tuple[int, int]) -> Targets:
    return Targets.of_entries(entries[:, 0], entries[:, 1], shape)


def _parse(path: Path, tags: int, concepts: int, channels: int) -> Arrays:
    """The numbers of records and of tokens per record, and the (image, label) of every positive tag and concept."""
    marked: dict[str, list[np.ndarray]] = {"label_1k": [], "label_81": []}
    count = tokens = 0
    for example in read_examples(path):
        where = f"{path}: record {count}"
        for key, width in (("label_1k", tags), ("label_81", concepts)):
            if len(example.get(key, b"")) != 4 * width:
                raise InputError(f"{where} has {len(example.get(key, b'')) // 4} numbers in {key!r} instead of {width}")
            found = np.flatnonzero(np.frombuffer(example[key], np.float32) > 0)
            marked[key].append(np.stack([np.full(len(found), count), found], axis=1).astype(np.int32))
        size = len(example.get("feature", b""))
        tokens = tokens or size // (4 * channels)
        if not size or size != 4 * channels * tokens:
            raise InputError(f"{where} has {size // 4} numbers in 'feature' instead of {tokens or 'some'} x {channels}")
        count += 1
    if not count:
        raise InputError(f"{path} holds no record")
    size_ = np.array([count, tokens], np.int64)
    return {"size": size_, "tags": np.concatenate(marked["label_1k"]), "concepts": np.concatenate(marked["label_81"])}


def read_examples(path: Path) -> Iterator[dict[str, bytes]]:
    """The bytes features of each tf.train.Example of a TFRecord file, plain or compressed by zlib or gzip.

    Raises:
        InputError: a truncated or damaged file.
    """
    try:
        with path.open("rb") as file:
            content = _Inflated(file)
            while header := content.take(12):
                length, checksum = struct.unpack("<QI", header)
                if checksum != masked_crc(header[:8]):
                    raise EOFError("a record's length is damaged")
                if length > LONGEST:
                    raise EOFError(f"a record of {length:,} bytes")
                record = content.take(length)
                content.take(4)
                yield dict(_features(record))
    except Exception as error:  # a damaged record can raise many kinds of errors
        raise InputError(f"{path} is no whole TFRecord file ({reason_of(error)}); fetch it again") from error


def masked_crc(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, rotated and offset. Only lengths are checked; for whole records it is too slow."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class _Inflated:
    """A file's bytes, decompressed if the file is compressed."""

    def __init__(self, file: IO[bytes]):
        start = file.read(2)
        file.seek(0)
        packed = start[:1] == b"\x78" or start == b"\x1f\x8b"
        self.file = file
        self.inflate = zlib.decompressobj(wbits=47) if packed else None  # 47: zlib's or gzip's header
        self.buffer = bytearray()

    def take(self, size: int) -> bytes:
        """The next `size` bytes; none at the end of the file.

        Raises:
            EOFError: the file ends within them.
        """
        while len(self.buffer) < size:
            block = self._next()
            if not block:
                break
            self.buffer += block
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        if len(taken) < size and (taken or size != 12 or (self.inflate is not None and not self.inflate.eof)):
            raise EOFError("it ends within a record")
        return taken

    def _next(self) -> bytes:
        """The next bytes, at most `READ`: a block of zeros unpacks to a thousand times its size."""
        if self.inflate is None:
            return self.file.read(READ)
        while not self.inflate.eof:
            packed = self.inflate.unconsumed_tail or self.file.read(READ)
            unpacked = self.inflate.decompress(packed, READ)
            if unpacked or not packed:
                return unpacked
        return b""


def _features(example: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and values of an Example's features that are single byte strings, from its protocol buffer."""
    for features in _fields(example, 1):
        for entry in _fields(features, 1):
            (name,) = _fields(entry, 1)
            for feature in _fields(entry, 2):
                for values in _fields(feature, 1):
                    for value in _fields(values, 1):
                        yield name.decode(), value


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """The values of a message's length-delimited fields with the number `wanted`."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 2:
            length, place = _varint(message, place)
            if place + length > len(message):
                raise EOFError("a field ends outside its record")
            if tag >> 3 == wanted:
                yield message[place : place + length]
            place += length
        elif kind == 0:
            _, place = _varint(message, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise EOFError(f"a field of kind {kind}")


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise EOFError("a number of more than 64 bits")
