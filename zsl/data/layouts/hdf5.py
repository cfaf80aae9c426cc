"""NUS-WIDE's features in the HDF5 files of BiAM and MKT: "NAME-features", "NAME-labels", "NAME-labels_81"."""

import math
import os
import zlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of
from embeddings.texts import read_labels
from zsl.data.dataset import MultiLabelData, Part, Rows
from zsl.data.layouts.features import FeaturesConfig, features_data
from zsl.data.layouts.index_cache import Arrays, cached, packed, unpacked
from zsl.data.targets import Targets

if TYPE_CHECKING:
    import torch

FEATURES = "-features"
LARGE_CHUNK = 1 << 18  # bytes; deflate unpacks a byte to at most a thousand
CHECKSUM = 4  # bytes that HDF5 may append to a chunk
RATIO = 32  # largest size of an array relative to its compressed bytes; features that are mostly zeros reach 10


class Hdf5Config(FeaturesConfig):
    """`channels`: which axis of an image's features they are: "first" is (channel, token) or (channel, row, column), as
    in the published files.
    """

    name: Literal["hdf5"] = "hdf5"
    train: Path = Path("features/nus_wide_train.h5")
    features_test: Path = Path("features/nus_wide_test.h5")
    channels: Literal["first", "last"] = "first"

    @property
    def feature_files(self) -> dict[str, Path]:
        """The two files."""
        return {str(file): self.root / file for file in (self.train, self.features_test)}

    def load(self) -> MultiLabelData:
        """Images are sorted by their names; the published files also list the names in a pickle beside them.

        Raises:
            InputError: a missing or damaged file, features of several shapes, another number of labels than of names.
        """
        tags, unseen = read_labels(self.root / self.tags), read_labels(self.root / self.concepts)
        seen = tuple(name for name in tags if name not in set(unseen))
        parts, shapes = {}, {}
        for part, file in (("train", self.train), ("test", self.features_test)):
            path = self.root / file
            if not path.is_file():
                raise InputError(f"no file {path}; check the path")
            widths = [len(seen)] if part == "train" else [len(seen), len(unseen)]
            arrays = cached("hdf5/2", [path], widths, partial(_parse, path, widths))
            names = unpacked(arrays["names"])
            targets = Targets.of_entries(arrays["rows"], arrays["columns"], (len(names), sum(widths)))
            parts[part] = Part(Hdf5Features(path, names, self.channels), targets)
            shapes[path] = tuple(arrays["shape"].tolist())
        return features_data("hdf5", (seen, unseen), parts, shapes, self.test)


@dataclass(frozen=True)
class Hdf5Features:
    """Tokens (batch, token, channel) float32 of some images of an HDF5 file, read by row."""

    path: Path
    names: tuple[str, ...]
    channels: str
    _open: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_open": {}}

    def __len__(self) -> int:
        return len(self.names)

    def name(self, row: int) -> str:
        return self.names[row]

    def read(self, rows: Rows) -> "torch.Tensor":
        import torch

        found = []
        for row in rows:
            name = self.names[row]
            try:
                file = self._open.get(os.getpid())  # a forked process opens the file again
                if file is None:
                    file = self._open[os.getpid()] = _h5py().File(self.path, "r")
                features = numbers(stored_array(file, name + FEATURES)).astype(np.float32, copy=False)
            except Exception as error:  # h5py raises many kinds of errors on a damaged file
                raise InputError(
                    f"{self.path}: features of {name} cannot be read ({reason_of(error)}); fetch it again"
                ) from error
            found.append(_tokens(features, self.channels))
        return torch.from_numpy(np.stack(found))


def _tokens(features: np.ndarray, channels: str) -> np.ndarray:
    if features.ndim == 1:
        return features[None]
    if channels == "first":
        return features.reshape(len(features), -1).T
    return features.reshape(-1, features.shape[-1])


def _parse(path: Path, widths: list[int]) -> Arrays:
    """Names, the shape of an image's features, and the (image, label) of every positive; -1 and 0 are negatives."""
    try:
        with _h5py().File(path, "r") as file:
            names: list[str] = []
            file.visit(lambda key: names.append(key.removesuffix(FEATURES)) if key.endswith(FEATURES) else None)
            if not names:
                raise InputError(f"{path} holds no dataset NAME{FEATURES}; is it one of BiAM's or MKT's?")
            names.sort()
            shape = stored_array(file, names[0] + FEATURES).shape
            if not 1 <= len(shape) <= 3:
                raise InputError(f"{path}: features of {names[0]} are {shape}; they have 1 to 3 axes")
            rows, columns = [], []
            for row, name in enumerate(names):
                own = stored_array(file, name + FEATURES).shape
                if own != shape:
                    raise InputError(f"{path}: features of {name} are {own}, those of {names[0]} {shape}")
                found = np.flatnonzero(_labels(file, name, widths, path) > 0)
                rows.append(np.full(len(found), row, np.int32))
                columns.append(found.astype(np.int32))
    except InputError:
        raise
    except Exception as error:  # h5py raises many kinds of errors on a damaged file
        told = f"{path} is no whole HDF5 file of features and labels ({reason_of(error)}); fetch it again"
        raise InputError(told) from error
    return {
        "names": packed(names),
        "shape": np.array(shape, np.int64),
        "rows": np.concatenate(rows),
        "columns": np.concatenate(columns),
    }


def _labels(file: Any, name: str, widths: list[int], path: Path) -> np.ndarray:
    """Annotations of the seen labels and, in the test file, of the unseen ones after them; they are in one array, or
    those of the unseen labels are in a second one, "-labels_81"."""
    arrays = [stored_array(file, f"{name}-labels")]
    if arrays[0].size != sum(widths) and len(widths) == 2 and arrays[0].size == widths[0]:
        arrays.append(stored_array(file, f"{name}-labels_{widths[1]}"))
    count = sum(array.size for array in arrays)
    if count != sum(widths):
        raise InputError(f"{path}: {name} has {count} labels, but data.tags and data.concepts name {sum(widths)}")
    return np.concatenate([numbers(array).reshape(-1) for array in arrays])


def stored_array(file: Any, key: str) -> Any:
    """The HDF5 dataset with this name; its numbers must be in the file itself.

    Raises:
        ValueError: a link, an array that is not numbers, numbers in another file, too few bytes for its shape.
    """
    h5py = _h5py()
    name = key.encode()
    if not file.id.links.exists(name):
        raise ValueError(f"there is no {key}")
    if file.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{key} is a link to another place")
    array = h5py.Dataset(h5py.h5d.open(file.id, name))  # takes half the time of file[key]
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{key} is no array of numbers")
    size, ratio = array.size * array.dtype.itemsize, 1
    if array.id.get_offset() is None:  # not one block of the file
        # a whole chunk is unpacked, which may be more than the array
        size = max(size, math.prod(array.chunks or ()) * array.dtype.itemsize)
        ratio = RATIO if _compressed(array, key) else 1
    stored = min(array.id.get_storage_size(), file.id.get_filesize())
    if size > stored * ratio:
        raise ValueError(f"{key} declares {size:,} bytes of numbers, but has {stored:,} in the file")
    return array


def numbers(array: Any) -> np.ndarray:
    """A dataset's numbers.

    Raises:
        ValueError: a chunk unpacks to more than it should.
    """
    if array.chunks is not None and array.id.get_storage_size() > LARGE_CHUNK:
        _check_chunks(array)
    return np.asarray(array)


def _check_chunks(array: Any) -> None:
    """Checks in little memory what the large chunks of an array unpack to; HDF5 itself would unpack any size."""
    made, deflate = array.id.get_create_plist(), _h5py().h5z.FILTER_DEFLATE
    codes = [made.get_filter(number)[0] for number in range(made.get_nfilters())]
    size = math.prod(array.chunks) * array.dtype.itemsize + CHECKSUM
    for number in range(array.id.get_num_chunks() if deflate in codes else 0):
        told = array.id.get_chunk_info(number)
        if told.size > LARGE_CHUNK and not told.filter_mask & 1 << codes.index(deflate):
            _, packed = array.id.read_direct_chunk(told.chunk_offset)
            if len(zlib.decompressobj().decompress(packed, size + 1)) > size:
                raise ValueError(f"a chunk of {told.size:,} bytes unpacks to more than {size - CHECKSUM:,}")


def _compressed(array: Any, key: str) -> bool:
    h5z, made = _h5py().h5z, array.id.get_create_plist()
    if array.is_virtual or made.get_external_count():
        raise ValueError(f"{key} is in other files")
    filters = {made.get_filter(number)[0]: number for number in range(made.get_nfilters())}
    packing = len(filters.keys() - {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32})
    if packing > 1 or len(filters) < made.get_nfilters():
        raise ValueError(f"{key} is compressed several times")
    return packing == 1


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError("HDF5 files need h5py: pip install 'zero-shot-toolkit[hdf5]'") from error
    return h5py
