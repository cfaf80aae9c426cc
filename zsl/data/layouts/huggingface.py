"""Hugging Face datasets: a column of pictures and a column of labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from embeddings.io.errors import InputError
from zsl.data.dataset import MultiLabelData
from zsl.data.in_order import InOrder
from zsl.data.layouts.assembly import AnnotatedFiles, AnnotatedPictures, ImagesConfig, Selection
from zsl.data.layouts.hub_tables import LabelColumn, library, local_files, open_splits, unreadable
from zsl.data.layouts.label_lists import Labelled, LabelListsConfig, labelled_data
from zsl.data.pictures import Pictures, PictureStore, StoredPictures, StreamedPictures, file_stamp

STREAMED = 16  # rows that are read together


class HuggingFaceConfig(LabelListsConfig, ImagesConfig):
    """`path`: a name on the hub, such as "uoft-cs/cifar100", with its `subset` and `revision`; or, on this machine, a
    folder of Parquet files, a pattern of them, or a folder of `save_to_disk`.

    `train_split` and `test_split` are splits; a Parquet file is of the split that its name or folder holds. Without
    `test_split`, test images are chosen as in `folder`, and all files of a pattern are used. `image` and `labels` are
    columns. A row's labels are a list of names or classes, one of them, or a text with `separator` between names.
    `unseen`: a file of unseen labels, one name per line; without it the set is closed. `streaming`: whether rows are
    read in order, without a copy on this machine.
    """

    name: Literal["huggingface"] = "huggingface"
    path: str
    subset: str | None = None
    revision: str | None = None
    train_split: str = "train"
    test_split: str | None = None
    image: str = "image"
    labels: str = "labels"
    separator: str | None = None
    streaming: bool = False

    def load(self) -> MultiLabelData:
        """Seen labels are in alphabetical order, unseen ones in the order of their file.

        Raises:
            InputError: the library is not installed; the hub cannot be reached, a damaged file, no such split or
                column, a column of another kind, a label without a name, a row without an image, a part without an
                image.
        """
        of_hub = {"subset": self.subset, "revision": self.revision}
        needed = [self.train_split] if self.test_split is None else [self.train_split, self.test_split]
        splits = open_splits(self.path, of_hub, list(dict.fromkeys(needed)), self.streaming)
        train = self._columns(splits, self.train_split)
        test = None if self.test_split is None else self._columns(splits, self.test_split)
        columns = [train] if test is None else [train, test]
        folder = self._folder() if any(one.in_files for one in columns) else Path(self.path)
        parts = (self._labelled(train, folder), None if test is None else self._labelled(test, folder))
        selection = Selection(skip_missing=self.missing == "skip")
        data = labelled_data(self, Path(self.path).name, folder, parts, self.unseen, selection)
        nameless = sum(path is None for one in columns for path in one.paths)
        told = f"{nameless:,} images have no name in column {self.image!r}; their row numbers are used instead"
        return replace(data, notes=(*data.notes, told)) if nameless else data

    def _columns(self, splits: dict[str, Any], split: str) -> "_Columns":
        """What the columns of a split hold, without the pictures themselves."""
        if split not in splits:
            raise InputError(f"dataset {self.path} has no split {split!r}; it has {', '.join(splits)}")
        table, place = splits[split], f"{self.path}: split {split}"
        kinds = table.features
        if kinds is None:
            raise InputError(f"{place} does not say what its columns hold before it is read; remove data.streaming")
        for key, column in (("image", self.image), ("labels", self.labels)):
            if column not in kinds:
                raise InputError(f"{place} has no column {column!r}; it has {', '.join(kinds)}; set data.{key}")
        label_column = LabelColumn(kinds[self.labels], self.separator, f"{place}, column {self.labels!r}")
        pictures = _pictures(table, self.image, f"{place}, column {self.image!r}")
        read = _streamed if self.streaming else _mapped
        try:
            paths, empty, values = read(pictures, self.image, self.labels)
        except Exception as error:  # Arrow raises many kinds of errors on a damaged file
            raise unreadable(self.path, error) from error
        lost = next((row for row, path in enumerate(paths) if empty[row] and path is None), None)
        if lost is not None:
            raise InputError(f"{place}, row {lost} has no image in column {self.image!r}; remove the row")
        if empty.any() and not empty.all():
            told = f"row {int(empty.argmax())} of column {self.image!r} holds only a path, others hold pictures"
            raise InputError(f"{place}, {told}; write all rows in one way")
        labels = [label_column.names(value, f"{place}, row {row}") for row, value in enumerate(values)]
        return _Columns(split, pictures, paths, labels, bool(empty.any()))

    def _folder(self) -> Path:
        """The folder in which files of pictures must be."""
        from huggingface_hub.constants import HF_HUB_CACHE

        files = local_files(self.path)
        return (Path(self.path) if Path(self.path).is_dir() else files[0].parent) if files else Path(HF_HUB_CACHE)

    def _labelled(self, columns: "_Columns", folder: Path) -> Labelled:
        if columns.in_files:
            start = f"{folder}/"
            files = [str(path).removeprefix(start) for path in columns.paths]

            def in_files(rows: np.ndarray, targets: Any) -> AnnotatedFiles:
                chosen = AnnotatedFiles([files[row] for row in rows.tolist()], targets, Path(self.path))
                return chosen.located(folder, self.outside)

            return Labelled(files, columns.labels, in_files)
        source = self._source(columns)
        names = [str(row) if path is None else path for row, path in enumerate(columns.paths)]
        return Labelled(names, columns.labels, lambda rows, targets: AnnotatedPictures.of(source, rows, targets))

    def _source(self, columns: "_Columns") -> Pictures:
        """The pictures of a split: SPLIT/ROW/NAME, or SPLIT/ROW if a row has no name."""
        split, table = columns.split, columns.table
        own = [(path or "").replace("\\", "/").rpartition("/")[2] for path in columns.paths]
        files = [f"{split}/{row}/{name}" if name else f"{split}/{row}" for row, name in enumerate(own)]
        folder, rows = Path(self.path), np.arange(len(files))
        if not self.streaming:
            stamp = " ".join(file_stamp(Path(file["filename"])) for file in table.cache_files)
            store = MappedColumn(table.select_columns([self.image]), self.image, stamp)
            return StoredPictures(folder, files, self.square(), store, rows[:, None])
        stream = InOrder(partial(_stream, table, self.image, self.path), f"{self.path}: split {split}")
        return StreamedPictures(folder, files, self.square(), stream, rows)


@dataclass(frozen=True)
class _Columns:
    """A split: its table, the paths and the labels of its pictures, and whether these are in files of their own."""

    split: str
    table: Any
    paths: Sequence[str | None]
    labels: list[list[str]]
    in_files: bool


@dataclass(frozen=True)
class MappedColumn(PictureStore):
    """A column of pictures of a table that is mapped into memory; a place is (row,)."""

    table: Any
    column: str
    version: str

    def read(self, place: Int64[np.ndarray, " axis"]) -> bytes:
        content: bytes = self.table[int(place[0])][self.column]["bytes"]
        return content

    def stamp(self, place: Int64[np.ndarray, " axis"]) -> str:
        return self.version


def _pictures(table: Any, column: str, place: str) -> Any:
    """A table whose column of pictures gives their bytes and paths, undecoded."""
    datasets = library()
    feature = table.features[column]
    fits = isinstance(feature, datasets.Image) or getattr(feature, "dtype", None) in (
        "string",
        "large_string",
        "binary",
    )
    if not fits and not (isinstance(feature, dict) and feature.keys() == {"bytes", "path"}):
        raise InputError(f"{place} holds {feature}; pictures are an Image, bytes, or paths; set data.image")
    return table.with_format(None).cast_column(column, datasets.Image(decode=False))


Found = tuple[list[str | None], np.ndarray, list[Any]]


def _mapped(table: Any, image: str, labels: str) -> Found:
    """The path of each picture, whether its bytes are missing, and its labels; no picture is read."""
    flat = table.select_columns([image]).flatten().with_format("arrow")
    paths = flat.select_columns([f"{image}.path"])[:].column(0).to_pylist()
    empty = flat.select_columns([f"{image}.bytes"])[:].column(0).is_null().to_numpy()
    return paths, empty, list(table.select_columns([labels])[:][labels])


def _streamed(table: Any, image: str, labels: str) -> Found:
    """Same as `_mapped`; every row is read once."""
    paths: list[str | None] = []
    empty: list[bool] = []
    values: list[Any] = []
    # its own iterator would divide the rows among a loader's worker processes
    for batch in table.select_columns([image, labels]).iter(batch_size=STREAMED):
        paths += [None if picture is None else picture["path"] for picture in batch[image]]
        empty += [picture is None or picture["bytes"] is None for picture in batch[image]]
        values += batch[labels]
    return paths, np.array(empty, bool), values


def _stream(table: Any, image: str, path: str) -> Iterator[bytes]:
    """The bytes of every picture, in order."""
    try:
        for batch in table.select_columns([image]).iter(batch_size=STREAMED):
            yield from (picture["bytes"] for picture in batch[image])
    except Exception as error:  # Arrow and the network raise many kinds of errors
        raise unreadable(path, error) from error
