"""What all layouts of image files share: from lists of annotated files to a dataset."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.texts import read_lines
from zsl.data.dataset import ImageFiles, MultiLabelData, Part
from zsl.data.dataset_config import SquareConfig
from zsl.data.layouts.image_paths import located
from zsl.data.targets import Targets

# follows the dataset's name; the key is `Selection.labelled`
TITLES = {None: "", True: " (labelled test images)", False: " (all test images)"}


class ImagesConfig(SquareConfig):
    """The base of every dataset of image files.

    `missing`: "skip" leaves out images whose file is missing or empty, "error" stops with an error. `exclude`: a file
    that lists the paths of images to leave out (`zsl data check --bad` writes one). `outside`: whether the dataset's
    files may name images outside its folder, by absolute paths or `..`.
    """

    missing: Literal["error", "skip"] = "error"
    exclude: Path | None = None
    outside: bool = False


@dataclass(frozen=True)
class AnnotatedFiles:
    """Image files, by their paths below a folder, and their annotations: seen labels first, then unseen ones.

    `source` is the file that lists them; `lines` are their line numbers in it, if it has lines.
    """

    files: Sequence[str]
    targets: Targets
    source: Path
    lines: Sequence[int] = ()

    def place(self, row: int) -> str:
        """Where an image is listed."""
        return f"{self.source}:{self.lines[row]}" if self.lines else str(self.source)

    def located(self, folder: Path, outside: bool) -> "AnnotatedFiles":
        """The same files, with paths as `folder` has them (see `image_paths.located`)."""
        return replace(self, files=located(self.files, folder, outside, self.place))


@dataclass(frozen=True)
class Selection:
    """Which of a dataset's images its protocol uses.

    Args:
        labelled: True leaves out test images without an unseen label (in a closed set: without any label); None if
            there is only one test set.
        drop_leaked: True leaves out training images that show an unseen label; False only ignores that annotation.
        smallest: files of at most this many bytes count as missing.
        expected: same as for `MultiLabelData`.
    """

    labelled: bool | None = None
    drop_leaked: bool = False
    smallest: int = 0
    expected: Mapping[str, int] = field(default_factory=dict)


def assemble(
    config: ImagesConfig,
    name: str,
    folder: Path,
    labels: tuple[Sequence[str], Sequence[str]],
    parts: tuple[AnnotatedFiles, AnnotatedFiles],
    selection: Selection = Selection(),
) -> MultiLabelData:
    """A dataset of image files; training images without a seen label are left out.

    Args:
        config: which missing, excluded and outside images are allowed, and how pictures become squares.
        name: of the dataset.
        folder: the folder of the image files.
        labels: names of seen and of unseen labels.
        parts: training and test files.
        selection: which images of the parts are used.
    Returns:
        the dataset.
    Raises:
        InputError: no seen label, an empty part, missing images that are not skipped, images outside the folder.
    """
    seen, unseen = _checked_labels(name, labels)
    train, test = (part.located(folder, config.outside) for part in parts)
    _check_apart(name, train.files, test.files)
    rows, notes = _chosen((train, test), (len(seen), len(unseen)), selection)
    leaked = int(train.targets.columns(slice(len(seen), None)).image_counts()[rows["train"]].sum())
    listed = zip(rows, (train.files, test.files), strict=True)
    files = {part: [names[row] for row in rows[part].tolist()] for part, names in listed}
    if config.exclude is not None:
        rows, files, note = _not_excluded(folder, rows, files, config.exclude)
        notes.append(note)
    there, missing, told = _there(config, name, folder, files, selection.smallest)
    made, targets_of = {}, (train.targets.columns(slice(0, len(seen))), test.targets)
    for part, targets in zip(rows, targets_of, strict=True):
        inputs = ImageFiles(folder, list(compress(files[part], there[part])), config.square())
        made[part] = Part(inputs, targets[rows[part][there[part]]])
    return MultiLabelData(
        name=name + TITLES[selection.labelled],
        seen=seen,
        unseen=unseen,
        train=made["train"],
        test=made["test"],
        kind="images",
        fingerprint=fingerprint(seen, unseen, made["train"], made["test"]),
        notes=(*notes, *told),
        leaked=leaked,
        missing=missing,
        expected=selection.expected,
    )


def _checked_labels(name: str, labels: tuple[Sequence[str], Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Seen and unseen labels, after checking that no label appears twice."""
    seen, unseen = (tuple(names) for names in labels)
    if not seen:
        raise InputError(f"{name} has no seen label")
    every = seen + unseen
    if len(set(every)) < len(every):
        twice = next(label for place, label in enumerate(every) if label in every[:place])
        raise InputError(f"{name} has label {twice!r} twice; rename or remove one")
    return seen, unseen


def _there(
    config: ImagesConfig, name: str, folder: Path, files: Mapping[str, list[str]], smallest: int
) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """Which files of each part exist, the paths of the missing ones, and a note about those.

    Raises:
        InputError: missing files that are not skipped; a part without files.
    """
    there = {part: present(folder, names, smallest) for part, names in files.items()}
    missing = tuple(f"{folder}/{file}" for part, names in files.items() for file in compress(names, ~there[part]))
    notes = []
    if missing:
        size = f"or have at most {smallest:,} bytes" if smallest else "or empty"
        note = f"{len(missing):,} of {sum(map(len, files.values())):,} images of {name} are missing {size}"
        if config.missing == "error":
            raise InputError(f"{note}, such as {missing[0]}; restore them, or set data.missing=skip")
        notes.append(f"{note}: left out")
    empty = next((part for part in files if not there[part].any()), None)
    if empty is not None:
        raise InputError(f"no {empty} image of {name} {f'is in {folder}' if files[empty] else 'is left'}")
    return there, missing, notes


def _chosen(
    parts: tuple[AnnotatedFiles, AnnotatedFiles], counts: tuple[int, int], selection: Selection
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The rows of each part that the protocol uses, and a note about the training images that it does not use.

    Args:
        parts: training and test files.
        counts: numbers of seen and of unseen labels.
    """
    train, test = parts
    num_seen, num_unseen = counts
    usable = train.targets.columns(slice(0, num_seen)).image_counts() > 0
    if selection.drop_leaked:
        usable &= train.targets.columns(slice(num_seen, None)).image_counts() == 0
    rows = {"train": np.flatnonzero(usable), "test": np.arange(len(test.targets))}
    if selection.labelled:
        start = num_seen if num_unseen else 0
        rows["test"] = np.flatnonzero(test.targets.columns(slice(start, None)).image_counts())
    idle = len(usable) - len(rows["train"])
    if not idle:
        return rows, []
    reason = "show no seen label" + (" or an unseen one" if selection.drop_leaked else "")
    return rows, [f"{idle:,} of {len(usable):,} training images {reason} and are left out"]


def _check_apart(name: str, train: Sequence[str], test: Sequence[str]) -> None:
    """Checks that no image is listed twice, and that none is in both parts."""
    seen: set[str] = set()
    for part, files in (("training", train), ("test", test)):
        own = {os.path.normpath(file) for file in files}
        if len(own) < len(files):
            twice = next(f for f, count in Counter(map(os.path.normpath, files)).items() if count > 1)
            raise InputError(f"{name} lists image {twice} twice in {part}; remove one")
        both = seen & own
        if both:
            raise InputError(
                f"{len(both):,} images of {name} are in training and in test, such as {min(both)}; remove them from one"
            )
        seen = own


def _not_excluded(
    folder: Path, rows: Mapping[str, np.ndarray], files: Mapping[str, list[str]], listed: Path
) -> tuple[dict[str, np.ndarray], dict[str, list[str]], str]:
    """The rows and files of each part without the images that a file lists, and a note about those."""
    empty = listed.is_file() and not listed.stat().st_size  # written by an audit that found nothing
    excluded = set() if empty else {str(Path(line).absolute()) for _, line in read_lines(listed, "image paths")}
    places = {part: [str((folder / name).absolute()) for name in names] for part, names in files.items()}
    kept = {part: np.array([place not in excluded for place in values], bool) for part, values in places.items()}
    left_out = sum(int((~values).sum()) for values in kept.values())
    strange = len(excluded.difference(*places.values()))
    note = f"{left_out:,} images that {listed.name} lists are left out"
    note += f"; {strange:,} of its paths are no images of the dataset" if strange else ""
    chosen = {part: rows[part][kept[part]] for part in rows}
    return chosen, {part: list(compress(files[part], kept[part])) for part in rows}, note


def fingerprint(seen: Sequence[str], unseen: Sequence[str], train: Part, test: Part) -> str:
    """A hash of the labels, the images' file names and their annotations; it does not depend on the layout."""
    digest = hashlib.sha256(json.dumps([seen, unseen]).encode())
    for part in (train, test):
        if isinstance(part.inputs, ImageFiles):
            names = "\n".join(file.rpartition("/")[2] for file in part.inputs.files)
            digest.update(names.encode("utf-8", "surrogatepass"))
        matrix = part.targets.matrix.sorted_indices()
        for array in (matrix.indptr, matrix.indices, matrix.data):
            digest.update(array.astype(np.int64).tobytes())
    return f"sha256 {digest.hexdigest()}"


def present(folder: Path, files: Sequence[str], smallest: int = 0) -> np.ndarray:
    """Whether each file exists and has more than `smallest` bytes; each folder is listed once."""
    sizes: dict[str, int] = {}
    for name in dict.fromkeys(file.rpartition("/")[0] for file in files):
        try:
            with os.scandir(folder / name) as entries:
                sizes |= {f"{name}/{entry.name}" if name else entry.name: _size(entry) for entry in entries}
        except OSError:  # the folder is missing or cannot be read
            continue
    return np.fromiter((sizes.get(file, 0) > smallest for file in files), bool, len(files))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size if entry.is_file() else 0
    except OSError:
        return 0
