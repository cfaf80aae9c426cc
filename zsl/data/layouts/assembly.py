"""What all layouts of pictures share: from lists of annotated pictures to a dataset."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.texts import read_lines
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.dataset_config import SquareConfig
from zsl.data.layouts.image_paths import check_apart, located, present
from zsl.data.pictures import ImageFiles, Pictures, StreamedPictures
from zsl.data.squares import Square
from zsl.data.targets import Targets

Labels = tuple[Sequence[str], Sequence[str]]  # names of seen and of unseen labels

# follows the dataset's name; the key is `Selection.labelled`
TITLES = {None: "", True: " (labelled test images)", False: " (all test images)"}


class PicturesConfig(SquareConfig):
    """The base of every dataset of pictures. `exclude`: a file that lists the paths of images to leave out (`zsl data
    check --bad` writes one).
    """

    exclude: Path | None = None


class ImagesConfig(PicturesConfig):
    """The base of every dataset of image files.

    `missing`: "skip" leaves out images whose file is missing or empty, "error" stops with an error. `outside`: whether
    the dataset's files may name images outside its folder, by absolute paths or `..`.
    """

    missing: Literal["error", "skip"] = "error"
    outside: bool = False


@dataclass(frozen=True)
class Annotated(ABC):
    """Pictures, by their paths below a folder, and their annotations: seen labels first, then unseen ones."""

    files: Sequence[str]
    targets: Targets

    @abstractmethod
    def present(self, folder: Path, rows: np.ndarray, smallest: int) -> np.ndarray:
        """Whether the picture of each row exists and has more than `smallest` bytes."""

    @abstractmethod
    def pictures(self, folder: Path, rows: np.ndarray, square: Square) -> Pictures:
        """The pictures of some rows."""


@dataclass(frozen=True)
class AnnotatedFiles(Annotated):
    """Image files and their annotations.

    `source` is the file that lists them; `lines` are their line numbers in it, if it has lines.
    """

    source: Path
    lines: Sequence[int] = ()

    def place(self, row: int) -> str:
        """Where an image is listed."""
        return f"{self.source}:{self.lines[row]}" if self.lines else str(self.source)

    def located(self, folder: Path, outside: bool) -> "AnnotatedFiles":
        """The same files, with paths as `folder` has them (see `image_paths.located`)."""
        return replace(self, files=located(self.files, folder, outside, self.place))

    def present(self, folder: Path, rows: np.ndarray, smallest: int) -> np.ndarray:
        return present(folder, [self.files[row] for row in rows.tolist()], smallest)

    def pictures(self, folder: Path, rows: np.ndarray, square: Square) -> Pictures:
        return ImageFiles(folder, [self.files[row] for row in rows.tolist()], square)


@dataclass(frozen=True)
class AnnotatedPictures(Annotated):
    """Pictures inside larger files and their annotations; `source` reads them, and has the same `files`."""

    source: Pictures

    @classmethod
    def of(cls, source: Pictures, rows: np.ndarray, targets: Targets) -> "AnnotatedPictures":
        """Some rows of pictures, with the annotations of these rows."""
        chosen = source.only(rows)
        return cls(chosen.files, targets, chosen)

    def present(self, folder: Path, rows: np.ndarray, smallest: int) -> np.ndarray:
        return np.ones(len(rows), bool)

    def pictures(self, folder: Path, rows: np.ndarray, square: Square) -> Pictures:
        return replace(self.source.only(rows), square=square)


@dataclass(frozen=True)
class Selection:
    """Which of a dataset's images its protocol uses.

    Args:
        labelled: True leaves out test images without an unseen label (in a closed set: without any label); None if
            there is only one test set.
        drop_leaked: True leaves out training images that show an unseen label; False only ignores that annotation.
        smallest: files of at most this many bytes count as missing.
        skip_missing: whether missing files are left out; otherwise they are an error.
        expected: same as for `MultiLabelData`.
    """

    labelled: bool | None = None
    drop_leaked: bool = False
    smallest: int = 0
    skip_missing: bool = False
    expected: Mapping[str, int] = field(default_factory=dict)


def assemble(
    config: ImagesConfig,
    name: str,
    folder: Path,
    labels: Labels,
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
    train, test = (part.located(folder, config.outside) for part in parts)
    chosen = replace(selection, skip_missing=config.missing == "skip")
    return assemble_pictures(config, name, folder, labels, (train, test), chosen)


def assemble_pictures(
    config: PicturesConfig,
    name: str,
    folder: Path,
    labels: Labels,
    parts: tuple[Annotated, Annotated],
    selection: Selection = Selection(),
) -> MultiLabelData:
    """A dataset of pictures, wherever they are; training images without a seen label are left out.

    Args:
        config: which excluded images are allowed, and how pictures become squares.
        name: of the dataset.
        folder: the folder of the pictures' paths.
        labels: names of seen and of unseen labels.
        parts: training and test pictures.
        selection: which images of the parts are used.
    Returns:
        the dataset.
    Raises:
        InputError: no seen label, an empty part, missing images that are not skipped.
    """
    seen, unseen = _checked_labels(name, labels)
    train, test = parts
    check_apart(name, train.files, test.files)
    rows, notes = _chosen(parts, (len(seen), len(unseen)), selection)
    leaked = int(train.targets.columns(slice(len(seen), None)).image_counts()[rows["train"]].sum())
    of_part: dict[str, Annotated] = {"train": train, "test": test}
    if config.exclude is not None:
        rows, note = _not_excluded(folder, rows, of_part, config.exclude)
        notes.append(note)
    there, missing, told = _there(name, folder, of_part, rows, selection)
    made, targets_of = {}, (train.targets.columns(slice(0, len(seen))), test.targets)
    for (part, pictures), targets in zip(of_part.items(), targets_of, strict=True):
        kept = rows[part][there[part]]
        made[part] = Part(pictures.pictures(folder, kept, config.square()), targets[kept])
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
        in_order=any(isinstance(part.inputs, StreamedPictures) for part in made.values()),
    )


def _checked_labels(name: str, labels: Labels) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
    name: str, folder: Path, parts: Mapping[str, Annotated], rows: Mapping[str, np.ndarray], selection: Selection
) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """Which rows of each part have a picture, the paths of the missing ones, and a note about those.

    Raises:
        InputError: missing files that are not skipped; a part without files.
    """
    there = {part: pictures.present(folder, rows[part], selection.smallest) for part, pictures in parts.items()}
    lost = [parts[part].files[row] for part in parts for row in rows[part][~there[part]].tolist()]
    missing = tuple(f"{folder}/{file}" for file in lost)
    notes = []
    if missing:
        size = f"or have at most {selection.smallest:,} bytes" if selection.smallest else "or empty"
        note = f"{len(missing):,} of {sum(map(len, rows.values())):,} images of {name} are missing {size}"
        if not selection.skip_missing:
            raise InputError(f"{note}, such as {missing[0]}; restore them, or set data.missing=skip")
        notes.append(f"{note}: left out")
    empty = next((part for part in parts if not there[part].any()), None)
    if empty is not None:
        raise InputError(f"no {empty} image of {name} {f'is in {folder}' if len(rows[empty]) else 'is left'}")
    return there, missing, notes


def _chosen(
    parts: tuple[Annotated, Annotated], counts: tuple[int, int], selection: Selection
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The rows of each part that the protocol uses, and a note about the training images that it does not use.

    Args:
        parts: training and test pictures.
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


def _not_excluded(
    folder: Path, rows: Mapping[str, np.ndarray], parts: Mapping[str, Annotated], listed: Path
) -> tuple[dict[str, np.ndarray], str]:
    """The rows of each part without the images that a file lists, and a note about those."""
    empty = listed.is_file() and not listed.stat().st_size  # written by an audit that found nothing
    excluded = set() if empty else {str(Path(line).absolute()) for _, line in read_lines(listed, "image paths")}
    places = {p: [str((folder / parts[p].files[row]).absolute()) for row in rows[p].tolist()] for p in parts}
    kept = {part: np.array([place not in excluded for place in values], bool) for part, values in places.items()}
    left_out = sum(int((~values).sum()) for values in kept.values())
    strange = len(excluded.difference(*places.values()))
    note = f"{left_out:,} images that {listed.name} lists are left out"
    note += f"; {strange:,} of its paths are no images of the dataset" if strange else ""
    return {part: rows[part][kept[part]] for part in rows}, note


def fingerprint(seen: Sequence[str], unseen: Sequence[str], train: Part, test: Part) -> str:
    """A hash of the labels, the images' file names and their annotations; it does not depend on the layout."""
    digest = hashlib.sha256(json.dumps([seen, unseen]).encode())
    for part in (train, test):
        if isinstance(part.inputs, Pictures):
            names = "\n".join(file.rpartition("/")[2] for file in part.inputs.files)
            digest.update(names.encode("utf-8", "surrogatepass"))
        matrix = part.targets.matrix.sorted_indices()
        for array in (matrix.indptr, matrix.indices, matrix.data):
            digest.update(array.astype(np.int64).tobytes())
    return f"sha256 {digest.hexdigest()}"
