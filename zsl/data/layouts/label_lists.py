"""Pictures that each have a list of labels: their targets, and which are tested on."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import Annotated, PicturesConfig, Selection, assemble_pictures
from zsl.data.layouts.split import without
from zsl.data.targets import Targets


class LabelListsConfig(PicturesConfig):
    """`unseen`: a file of unseen labels, one name per line; without it the set is closed. `test_share`: without a list
    of test images, every image that shows an unseen label is a test image, and so is this share of the others, chosen
    by their paths.
    """

    unseen: Path | None = None
    test_share: float = Field(0.2, gt=0, lt=1)


@dataclass(frozen=True)
class Labelled:
    """Pictures, and the labels of each.

    Args:
        paths: of the pictures, by which test images are chosen.
        labels: of each picture.
        annotated: makes the annotated pictures of some rows, given those rows and their targets.
    """

    paths: Sequence[str]
    labels: Sequence[Sequence[str]]
    annotated: Callable[[np.ndarray, Targets], Annotated]


def labelled_data(
    config: LabelListsConfig,
    name: str,
    folder: Path,
    parts: tuple[Labelled, Labelled | None],
    unseen_file: Path | None,
    selection: Selection,
) -> MultiLabelData:
    """A dataset of pictures with lists of labels. Seen labels are in alphabetical order.

    Args:
        config: which images are excluded, how many are tested on, and how pictures become squares.
        name: of the dataset.
        folder: the folder of the pictures' paths.
        parts: training and test pictures; without the latter, test images are chosen from the former.
        unseen_file: lists the unseen labels; None for a closed set.
        selection: same as for `assemble_pictures`.
    Returns:
        the dataset.
    Raises:
        InputError: same as for `without` and `assemble_pictures`.
    """
    train, test = parts
    every = {label for part in (train, test) if part is not None for labels in part.labels for label in labels}
    seen, unseen = without(sorted(every), unseen_file)
    tested = np.zeros(len(train.paths), bool)
    if test is None:
        test, tested = train, chosen_for_test(train.paths, train.labels, unseen, config.test_share)

    def annotated(part: Labelled, rows: np.ndarray) -> Annotated:
        return part.annotated(rows, targets_of([part.labels[row] for row in rows.tolist()], seen + unseen))

    both = (
        annotated(train, np.flatnonzero(~tested)),
        annotated(test, np.flatnonzero(tested) if test is train else np.arange(len(test.paths))),
    )
    return assemble_pictures(config, name, folder, (seen, unseen), both, selection)


def chosen_for_test(
    paths: Sequence[str], labels: Sequence[Sequence[str]], unseen: Sequence[str], share: float
) -> np.ndarray:
    """Which images are tested on: those that show an unseen label, and a share of the others.

    Args:
        paths: of the images.
        labels: of each image.
        unseen: labels that training must not see.
        share: of the other images, in (0, 1).
    Returns:
        (image,) bool.
    """
    known = set(unseen)
    shows = (share_of(path) < share or not known.isdisjoint(own) for path, own in zip(paths, labels, strict=True))
    return np.fromiter(shows, bool, len(paths))


def share_of(path: str) -> float:
    """A number in [0, 1) that depends only on the path, so that new images do not move old ones to the other part."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:6]) / 2**48


def targets_of(labels: Sequence[Sequence[str]], names: Sequence[str]) -> Targets:
    """The annotations of images by lists of labels.

    Args:
        labels: the labels of each image; a label may appear twice in a list.
        names: every label, in the order of the targets' columns.
    Returns:
        (image, label).
    """
    column = {name: number for number, name in enumerate(names)}
    entries = [(row, column[name]) for row, listed in enumerate(labels) for name in listed]
    rows, columns = np.array(entries, np.int64).reshape(-1, 2).T
    return Targets.of_entries(rows, columns, (len(labels), len(names)))
