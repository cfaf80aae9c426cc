"""NUS-WIDE from its raw distribution: noisy tags of 925 seen labels, human ground truth of 81 unseen ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.texts import read_labels, read_lines
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, Selection, assemble
from zsl.data.layouts.index_cache import Arrays, cached, packed, unpacked
from zsl.data.layouts.test_lists import Division, TestImages
from zsl.data.targets import Targets

SMALLEST = 4_000  # bytes; downloads leave smaller files in place of images that no longer exist
READ = 1 << 23
LABELS = {"seen labels": 925, "unseen labels": 81}
TESTS = {"all": 107_859, "labelled": 83_898}


class NusWideConfig(ImagesConfig):
    """`root` holds ImageList, NUS_WID_Tags, Groundtruth, ConceptsList and `images`.

    `test`: "all" is the test set of LESA, BiAM and MKT (107,859 images), "labelled" that of DualCoOp and later work
    (images with one of the 81 labels); results on the two are not comparable. Otherwise it is a file below `root` that
    lists the test images, `folder/number_id` on each line; those among them that are official training images are not
    trained on. An image file of at most 4,000 bytes counts as missing.
    """

    name: Literal["nus_wide"] = "nus_wide"
    root: Path
    images: Path = Path("Flickr")
    test: TestImages = "all"

    def load(self) -> MultiLabelData:
        """Seen labels are the lines of TagList1k.txt that are not concepts, in order; unseen ones are the 81 concepts.

        Training images without a seen label are left out. In test targets seen columns are tags, unseen ones are
        ground truth.

        Raises:
            InputError: a missing file, lists of unequal length, missing images that are not skipped, a file of test
                images as for `Division.tested_on`.
        """
        names = read_labels(
            _one_of(self.root, ("NUS_WID_Tags/TagList1k.txt", "TagList1k.txt", "ConceptsList/TagList1k.txt"))
        )
        unseen = read_labels(_one_of(self.root, ("ConceptsList/Concepts81.txt", "Concepts81.txt")))
        seen = tuple(name for name in names if name not in set(unseen))
        index = read_index(self.root, names, unseen)
        place = {name: number for number, name in enumerate(seen)}
        column = np.array([place.get(name, -1) for name in names])
        tags = _table(index.tags, column, len(index.images), len(seen))
        every = tags.beside(_table(index.concepts, np.arange(len(unseen)), len(index.images), len(unseen)))
        # tags with the name of an unseen label tell which training images show it; they are not targets
        named = {name: number for number, name in enumerate(unseen)}
        leaks = _table(index.tags, np.array([named.get(name, -1) for name in names]), len(index.images), len(unseen))
        parts, title = Division(index.train, index.test), "nus_wide"
        selection = Selection(smallest=SMALLEST, expected=LABELS)
        lists = [self.root / f"ImageList/{part}Imagelist.txt" for part in ("Train", "Test")]
        if isinstance(self.test, Path):
            lists[1] = self.root / self.test
            parts, title = parts.tested_on(lists[1], index.images), f"nus_wide (test images of {self.test.name})"
        else:
            selection = replace(
                selection, labelled=self.test == "labelled", expected={"test images": TESTS[self.test]} | LABELS
            )
        train, test = (
            AnnotatedFiles([index.images[row] for row in rows], targets[rows], source)
            for source, rows, targets in zip(lists, (parts.train, parts.test), (tags.beside(leaks), every), strict=True)
        )
        data = assemble(self, title, self.root / self.images, (seen, unseen), (train, test), selection)
        return replace(data, notes=(*parts.notes, *data.notes))


@dataclass(frozen=True)
class Index:
    """The content of the label files: images in order, and two tables of labels by image."""

    images: tuple[str, ...]
    tags: np.ndarray  # (entry, 2): image, tag
    concepts: np.ndarray  # (entry, 2): image, concept
    train: np.ndarray  # rows
    test: np.ndarray


def _one_of(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (root / name).is_file():
            return root / name
    raise InputError(f"{root} lacks {names[0]}; see the layout of the raw distribution in docs/data.md")


def _table(entries: np.ndarray, column: np.ndarray, rows: int, width: int) -> Targets:
    columns = column[entries[:, 1]]
    return Targets.of_entries(entries[columns >= 0, 0], columns[columns >= 0], (rows, width))


TableFiles = Mapping[str, Path]  # one of "all" images, or one of "train" and one of "test" images


def read_index(root: Path, tags: Sequence[str], concepts: Sequence[str]) -> Index:
    """Reads the label files, or takes their index from the cache.

    Raises:
        InputError: same as for `NusWideConfig.load`.
    """
    lists = {part: _one_of(root, (f"ImageList/{part.title()}Imagelist.txt",)) for part in ("train", "test")}
    whole = root / "ImageList/Imagelist.txt"
    if whole.is_file():
        lists["all"] = whole
    endings = (".txt", ".dat")
    table = _table_files(
        root, [f"NUS_WID_Tags/AllTags1k{e}" for e in endings], [("NUS_WID_Tags/", f"_Tags1k{e}") for e in endings]
    )
    truths = [
        _table_files(
            root,
            [f"Groundtruth/AllLabels/Labels_{name}.txt"],
            [(f"Groundtruth/TrainTestLabels/Labels_{name}_", ".txt")],
        )
        for name in concepts
    ]
    sources = [*lists.values(), *(path for one in (table, *truths) for path in one.values())]
    options = [list(tags), list(concepts)]
    arrays = cached("nus_wide/3", sources, options, lambda: _parse(lists, table, truths, len(tags)))
    return Index(unpacked(arrays.pop("images")), **arrays)


def _table_files(root: Path, whole: Sequence[str], halves: Sequence[tuple[str, str]]) -> TableFiles:
    """The file of all images, or the file of each part; `halves` are what precedes and follows "Train" or "Test"."""
    for name in whole:
        if (root / name).is_file():
            return {"all": root / name}
    for begin, end in halves:
        files = {part: root / f"{begin}{part.title()}{end}" for part in ("train", "test")}
        if all(path.is_file() for path in files.values()):
            return files
    return {"all": _one_of(root, whole)}


def _parse(lists: Mapping[str, Path], table: TableFiles, truths: Sequence[TableFiles], width: int) -> Arrays:
    names = {part: _image_names(path) for part, path in lists.items()}
    images = names.get("all") or names["train"] + names["test"]
    row = {name: number for number, name in enumerate(images)}
    if len(row) < len(images):
        raise InputError(f"{lists.get('all', lists['test'])} names an image twice; fetch the distribution's own list")
    rows = {"all": np.arange(len(images), dtype=np.int32)}
    for part in ("train", "test"):
        unknown = next((name for name in names[part] if name not in row), None)
        if unknown is not None:
            raise InputError(f"{lists[part]}: {unknown} is not in {lists['all'].name}")
        rows[part] = np.array([row[name] for name in names[part]], np.int32)
    columns = []
    for column, files in enumerate(truths):
        entries = _entries(files, 1, rows)
        entries[:, 1] = column
        columns.append(entries)
    return {
        "images": packed(images),
        "tags": _entries(table, width, rows),
        "concepts": np.concatenate(columns),
        "train": rows["train"],
        "test": rows["test"],
    }


def _entries(files: TableFiles, width: int, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """The (image, column) of every 1; `rows` holds, by part, the image of each line of a file."""
    found = []
    for part, path in files.items():
        for ones in _ones(path, width, len(rows[part])):
            found.append(np.stack([rows[part][ones[:, 0]], ones[:, 1]], axis=1))
    return np.concatenate(found)


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
            if done <= rows:
                yield found
            if not block:
                break
    if done != rows:
        raise InputError(f"{path} has {done:,} lines, but the image list has {rows:,}; they are of different versions")
