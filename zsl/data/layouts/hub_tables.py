"""Tables of Hugging Face `datasets`: from the hub, from Parquet files, or as `save_to_disk` writes them."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from typing import Any

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import reason_of

SAVED = ("state.json", "dataset_dict.json")  # one of them is in a folder of `save_to_disk`
UNPACKED = 1 << 27  # bytes to which any Parquet file may unpack
RATIO = 32  # to how many times its size a larger one may


def library() -> Any:
    """The library `datasets`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            "Hugging Face datasets need their library: pip install 'zero-shot-toolkit[huggingface]'"
        ) from error
    return datasets


def local_files(path: str) -> list[Path]:
    """The Parquet files, or the folder, that a path names on this machine; none for the name of a dataset on the hub.

    Raises:
        InputError: a path of this machine without such files.
    """
    found = Path(path)
    if found.is_dir():
        parquet = sorted(found.rglob("*.parquet"))
        if not parquet and not is_saved(found):
            raise InputError(f"{path} holds no Parquet file, and is no folder of save_to_disk; correct data.path")
        return parquet or [found]
    if has_magic(path) or found.suffix == ".parquet":
        wild = has_magic(path) and not found.is_file()
        base = Path(found.anchor)
        files = sorted(base.glob(str(found.relative_to(found.anchor)))) if wild else [found]
        lost = next((file for file in files or [found] if not file.is_file()), None)
        if lost is not None:
            raise InputError(f"no file {lost}; correct data.path")
        return files
    if found.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1 or found.exists():
        raise InputError(f"{path} is no Parquet file, no folder of them and no name on the hub; correct data.path")
    return []


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return any((folder / file).is_file() for file in SAVED)


def open_splits(path: str, of_hub: Mapping[str, str | None], splits: Sequence[str], streaming: bool) -> dict[str, Any]:
    """The tables of a dataset by their splits.

    Args:
        path: a name on the hub; or a folder, a file or a pattern of files on this machine.
        of_hub: the "subset" and the "revision", for a dataset on the hub.
        splits: the splits that are needed; those of Parquet files are found by the files' paths.
        streaming: whether rows are read in order, without a copy on this machine.
    Returns:
        tables of the library; on the hub and in a folder of `save_to_disk` there may be others, or not all of them.
    Raises:
        InputError: the hub cannot be reached, no such dataset, a damaged file.
    """
    datasets, files = library(), local_files(path)
    given = [f"data.{key}" for key, value in of_hub.items() if value is not None]
    if files and given:
        raise InputError(f"{given[0]} is for datasets on the hub, but {path} is on this machine; remove it")
    try:
        with _quiet(datasets, bars=not files):
            if files == [Path(path)] and is_saved(files[0]):
                return _saved(datasets, files[0], splits[0], streaming)
            if files:
                for file in files:
                    _check_size(file)
                named = _by_split(files, Path(path), splits)
                return dict(datasets.load_dataset("parquet", data_files=named, streaming=streaming))
            name, revision = of_hub["subset"], of_hub["revision"]
            return dict(datasets.load_dataset(path, name, revision=revision, streaming=streaming))
    except InputError:
        raise
    except Exception as error:  # of the network, of Arrow, of the library itself
        raise unreadable(path, error, hub=not files) from error


def _by_split(files: Sequence[Path], path: Path, splits: Sequence[str]) -> dict[str, list[str]]:
    """The files whose names or folders hold the name of a split.

    If only one split is needed, all files are of it if a pattern names them, or if none holds its name.
    """
    below = [file.relative_to(path) if path.is_dir() else Path(file.name) for file in files]
    found = {
        split: [str(file) for file, own in zip(files, below, strict=True) if _holds(str(own), split)]
        for split in splits
    }
    if len(splits) == 1 and not (path.is_dir() and found[splits[0]]):
        return {splits[0]: list(map(str, files))}
    lost = next((split for split in splits if not found[split]), None)
    if lost is not None:
        raise InputError(f"no Parquet file of {path} has {lost!r} in its name or folder, such as {lost}-0.parquet")
    both = {file for file in found[splits[0]] if file in found[splits[-1]]}
    if both and len(splits) > 1:
        raise InputError(f"{min(both)} has the names of two splits, {' and '.join(splits)}; rename it")
    return found


def _holds(path: str, split: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(split)}(?![A-Za-z0-9])", path) is not None


def _saved(datasets: Any, folder: Path, split: str, streaming: bool) -> dict[str, Any]:
    if streaming:
        raise InputError(f"{folder} is mapped into memory, not streamed; remove data.streaming")
    found = datasets.load_from_disk(str(folder))
    tables: dict[str, Any] = found if isinstance(found, dict) else {split: found}
    for table in tables.values():
        table.data.validate(full=True)  # Arrow itself would follow a damaged offset out of the file
    return tables


def unreadable(path: str, error: Exception, hub: bool = False) -> InputError:
    """The error for a dataset that cannot be read, with the reason of the library or of Arrow."""
    reason = reason_of(error.__cause__ if isinstance(error.__cause__, Exception) else error)
    remedy = "correct data.path, or give a local copy" if hub else "fetch it or write it again"
    return InputError(f"dataset {path} cannot be read ({reason}); {remedy}")


def _check_size(file: Path) -> None:
    """Checks what a Parquet file says that it unpacks to."""
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(file)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    except Exception as error:  # Arrow raises many kinds of errors on a damaged file
        raise unreadable(str(file), error) from error
    size, most = sum(group.total_byte_size for group in groups), max(UNPACKED, RATIO * file.stat().st_size)
    if size > most:
        raise InputError(f"{file} unpacks to {size:,} bytes; at most {most:,} are read; write it with less compression")


@contextmanager
def _quiet(datasets: Any, bars: bool) -> Iterator[None]:
    """Keeps the library's log from the console, and its progress bars unless they show a download."""
    logs = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels, hidden = [log.level for log in logs], datasets.are_progress_bars_disabled()
    try:
        for log in logs:
            log.setLevel(logging.CRITICAL)
        if not bars:
            datasets.disable_progress_bars()
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
        if not hidden:
            datasets.enable_progress_bars()


class LabelColumn:
    """How a column holds labels: names or classes, one a row or a list.

    Args:
        feature: the column's kind.
        separator: between the names in a text; None if a text is one name.
        place: of the column, for messages.
    Raises:
        InputError: a column of another kind; a separator for a column that needs none.
    """

    def __init__(self, feature: Any, separator: str | None, place: str):
        datasets = library()
        self.listed = isinstance(feature, datasets.List | datasets.LargeList)
        item = feature.feature if self.listed else feature
        self.classes = tuple(item.names) if isinstance(item, datasets.ClassLabel) else None
        self.separator = separator
        if self.classes is None and getattr(item, "dtype", None) not in ("string", "large_string"):
            raise InputError(f"{place} holds {feature}; labels are names or ClassLabels, or lists of them")
        if separator is not None and (self.listed or self.classes is not None):
            raise InputError(f"{place} holds {feature}, which data.separator cannot divide; remove it")

    def names(self, value: Any, place: str) -> list[str]:
        """The labels of a row.

        Args:
            value: of the column.
            place: of the row, for messages.
        Raises:
            InputError: a class without a name, or a name that is none.
        """
        if value is None or value == "":
            return []
        values = value if self.listed else [value] if self.separator is None else value.split(self.separator)
        return [label_name(self._name(one, place), place) for one in values if self.separator is None or one.strip()]

    def _name(self, value: Any, place: str) -> Any:
        if self.classes is None:
            return value
        if not isinstance(value, int) or not 0 <= value < len(self.classes):
            raise InputError(
                f"{place} has label {brief(value)}, but the column names classes 0 to {len(self.classes) - 1}"
            )
        return self.classes[value]
