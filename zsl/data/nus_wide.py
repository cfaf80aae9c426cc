"""NUS-WIDE from its raw distribution: noisy tags of 925 seen labels, human ground truth of 81 unseen ones."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as safetensors_bytes

from embeddings import InputError, atomic
from embeddings.build import default_cache
from embeddings.texts import read_labels, read_lines
from zsl.data.dataset import ImageFiles, MultiLabelData, Part
from zsl.data.exclusion import ImagesConfig
from zsl.data.targets import Targets

SMALLEST = 4_000  # bytes; downloads put smaller files where an image could not be had
READ = 1 << 23
EXPECTED = {"training images": 161_789, "test images": 107_859, "seen labels": 925, "unseen labels": 81}


class NusWideConfig(ImagesConfig):
    """`root` holds ImageList, NUS_WID_Tags, Groundtruth, ConceptsList and `images`.

    `test`: "all" is LESA's, BiAM's and MKT's test set (107,859 images), "labelled" that of DualCoOp and later work
    (those with one of the 81 labels); their numbers do not compare. `missing`: "skip" leaves out images whose file is
    missing or of 4,000 bytes at most, "error" refuses.
    """

    name: Literal["nus_wide"]
    root: Path
    images: Path = Path("Flickr")
    test: Literal["all", "labelled"] = "all"
    missing: Literal["error", "skip"] = "error"


@dataclass(frozen=True)
class Index:
    """The label files: images in the order of the image list, and two tables of labels by image."""

    images: tuple[str, ...]
    tags: np.ndarray  # (entry, 2): image, tag
    concepts: np.ndarray  # (entry, 2): image, concept
    train: np.ndarray  # rows
    test: np.ndarray


def load_nus_wide(config: NusWideConfig) -> MultiLabelData:
    """Seen labels are the lines of TagList1k.txt that are not among the 81 concepts, in order; unseen the concepts.

    Training images without a seen label are left out. In test targets seen columns are tags, unseen ones ground truth.

    Raises:
        InputError: a missing file, lists of unequal length, images that are missing, where those are not skipped.
    """
    names = read_labels(
        _one_of(config.root, ("NUS_WID_Tags/TagList1k.txt", "TagList1k.txt", "ConceptsList/TagList1k.txt"))
    )
    unseen = read_labels(_one_of(config.root, ("ConceptsList/Concepts81.txt", "Concepts81.txt")))
    seen = tuple(name for name in names if name not in set(unseen))
    index = read_index(config.root, names, unseen)
    column = np.array([seen.index(name) if name in set(seen) else -1 for name in names])
    tags = _table(index.tags, column, len(index.images), len(seen))
    truth = _table(index.concepts, np.arange(len(unseen)), len(index.images), len(unseen))
    train = index.train[tags.image_counts()[index.train] > 0]
    test = index.test if config.test == "all" else index.test[truth.image_counts()[index.test] > 0]
    there = present(config.root / config.images, index.images)
    absent = np.concatenate([train[~there[train]], test[~there[test]]])
    if len(absent) and config.missing == "error":
        raise InputError(
            f"{len(absent):,} of {len(train) + len(test):,} images of {config.root} are missing or have at most "
            f"{SMALLEST} bytes, such as {config.images / index.images[absent[0]]}; restore them, or set "
            "data.missing=skip"
        )
    kept = {"train": train[there[train]], "test": test[there[test]]}
    for part, rows in kept.items():
        if not len(rows):
            raise InputError(f"no {part} image of {config.root} is in {config.root / config.images}")

    def files(rows: np.ndarray) -> ImageFiles:
        folder = config.root / config.images
        return ImageFiles(tuple(folder / index.images[row] for row in rows), config.image_size)

    digest = hashlib.sha256(json.dumps([seen, unseen, config.test]).encode())
    for table in (index.tags, index.concepts, kept["train"], kept["test"]):
        digest.update(np.ascontiguousarray(table).tobytes())
    skipped = f"{len(absent):,} of {len(train) + len(test):,} images are missing and left out" if len(absent) else ""
    return MultiLabelData(
        name=f"nus_wide ({config.test} test images)",
        seen=seen,
        unseen=unseen,
        train=Part(files(kept["train"]), tags[kept["train"]]),
        test=Part(files(kept["test"]), tags[kept["test"]].beside(truth[kept["test"]])),
        kind="images",
        fingerprint=f"sha256 {digest.hexdigest()}",
        notes=(skipped,) if skipped else (),
    )


def _one_of(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    raise InputError(f"{root} lacks {names[0]}; see the layout of the raw distribution in docs/data.md")


def _table(entries: np.ndarray, column: np.ndarray, rows: int, width: int) -> Targets:
    columns = column[entries[:, 1]]
    return Targets.of_entries(entries[columns >= 0, 0], columns[columns >= 0], (rows, width))


def read_index(root: Path, tags: Sequence[str], concepts: Sequence[str]) -> Index:
    """Reads the label files, or what an earlier reading of the same files left in the cache.

    Raises:
        InputError: as `load_nus_wide`.
    """
    lists = {part: _one_of(root, (f"ImageList/{part}magelist.txt",)) for part in ("I", "TrainI", "TestI")}
    table = _one_of(root, ("NUS_WID_Tags/AllTags1k.txt", "NUS_WID_Tags/AllTags1k.dat"))
    truths = [_one_of(root, (f"Groundtruth/AllLabels/Labels_{name}.txt",)) for name in concepts]
    sources = [*lists.values(), table, *truths]
    stamps = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
    key = hashlib.sha256(json.dumps(["nus_wide/1", stamps, list(tags), list(concepts)]).encode()).hexdigest()
    path = default_cache() / f"{key}.safetensors"
    if path.is_file():
        try:
            return _from_arrays(load_file(path))
        except (SafetensorError, KeyError, ValueError):
            path.unlink()  # damaged: it is made again
    index = _parse(lists, table, truths, len(tags))
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(index, name) for name in ("tags", "concepts", "train", "test")}
    arrays["images"] = np.frombuffer("\n".join(index.images).encode(), np.uint8)
    atomic.write_bytes(path, safetensors_bytes(arrays))
    return index


def _from_arrays(arrays: dict[str, np.ndarray]) -> Index:
    images = tuple(arrays.pop("images").tobytes().decode().split("\n"))
    return Index(images, **arrays)


def _parse(lists: dict[str, Path], table: Path, truths: Sequence[Path], width: int) -> Index:
    images, train, test = (_image_names(path) for path in lists.values())
    row = {name: number for number, name in enumerate(images)}
    if len(row) < len(images):
        raise InputError(f"{lists['I']} names an image twice; it is not the distribution's")
    for part, names in (("TrainI", train), ("TestI", test)):
        unknown = next((name for name in names if name not in row), None)
        if unknown is not None:
            raise InputError(f"{lists[part]}: {unknown} is not in {lists['I'].name}")
    tags = np.concatenate(list(_ones(table, width, len(images))))
    columns = []
    for column, path in enumerate(truths):
        entries = np.concatenate(list(_ones(path, 1, len(images))))
        entries[:, 1] = column
        columns.append(entries)
    rows = [np.array([row[name] for name in names], np.int32) for names in (train, test)]
    return Index(tuple(images), tags, np.concatenate(columns), *rows)


def _image_names(path: Path) -> list[str]:
    return [PureWindowsPath(line).as_posix() for _, line in read_lines(path, "image names")]


def _ones(path: Path, width: int, rows: int) -> Iterator[np.ndarray]:
    """The (row, column) of every 1 in a text table of 0 and 1, a block of lines at a time.

    Raises:
        InputError: another character, a line of another length, another number of lines.
    """
    done, left = 0, b""
    with path.open("rb") as file:
        while True:
            block = file.read(READ)
            content = left + block
            if not block and content and not content.endswith(b"\n"):
                content += b"\n"
            end = content.rfind(b"\n") + 1
            content, left = content[:end], content[end:]
            letters = np.frombuffer(content, np.uint8)
            ends = np.flatnonzero(letters == ord("\n"))
            digit = (letters == ord("0")) | (letters == ord("1"))
            counts = np.diff(np.concatenate([[0], np.cumsum(digit)[ends]]))
            blank = ~np.isin(letters, np.frombuffer(b"01 \t\r\n", np.uint8))
            if blank.any():
                line = done + int(np.searchsorted(ends, np.argmax(blank))) + 1
                raise InputError(f"{path}:{line}: a character that is neither 0 nor 1; the file is damaged")
            full = counts > 0
            if (counts[full] != width).any():
                bad = int(np.flatnonzero(full & (counts != width))[0])
                raise InputError(
                    f"{path}:{done + bad + 1}: {counts[bad]} values instead of {width}; the file is damaged"
                )
            flat = np.flatnonzero(letters[digit] == ord("1"))
            found = np.stack([flat // width + done, flat % width], axis=1).astype(np.int32)
            done += int(full.sum())
            yield found
            if not block:
                break
    if done != rows:
        raise InputError(f"{path} has {done:,} lines, but the image list has {rows:,}; they are of different versions")


def present(folder: Path, images: Sequence[str]) -> np.ndarray:
    """Whether each image has a file of more than 4,000 bytes; folders are listed once."""
    sizes: dict[str, int] = {}
    for name in dict.fromkeys(image.rpartition("/")[0] for image in images):
        inside = folder / name
        if inside.is_dir():
            with os.scandir(inside) as entries:
                sizes |= {f"{name}/{entry.name}" if name else entry.name: entry.stat().st_size for entry in entries}
    return np.fromiter((sizes.get(image, 0) > SMALLEST for image in images), bool, len(images))
