"""Pascal VOC's classification task: 20 labels, a closed set."""

from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.texts import read_lines
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, Selection, assemble
from zsl.data.targets import Targets

EXPECTED = {"training images": 5_011, "test images": 4_952, "seen labels": 20, "unseen labels": 0}
DIFFICULT = {"unknown": 0, "negative": -1, "positive": 1}


class VocConfig(ImagesConfig):
    """`root` is VOCdevkit/VOC2007, with ImageSets/Main and JPEGImages.

    `difficult`: how a label counts in an image that shows only difficult examples of it: "unknown" leaves the image out
    of the label's AP, as VOC's evaluation does (in training it is a negative with weight `train.untagged_weight`).
    """

    name: Literal["voc"] = "voc"
    root: Path
    train: str = "trainval"
    test: str = "test"
    difficult: Literal["unknown", "negative", "positive"] = "unknown"

    def load(self) -> MultiLabelData:
        """Labels are in alphabetical order.

        Raises:
            InputError: a missing or damaged file, missing images that are not skipped.
        """
        lists = self.root / "ImageSets/Main"
        files = sorted(path.name.removesuffix(f"_{self.train}.txt") for path in lists.glob(f"*_{self.train}.txt"))
        if not files:
            raise InputError(f"{lists} holds no files CLASS_{self.train}.txt")
        seen = [label_name(file, f"{lists}: a file CLASS_{self.train}.txt") for file in files]
        parts = _part(self, lists, self.train, files), _part(self, lists, self.test, files)
        expected = EXPECTED if (self.train, self.test) == ("trainval", "test") else {}
        name = self.root.resolve().name.lower()
        return assemble(self, name, self.root / "JPEGImages", (seen, ()), parts, Selection(expected=expected))


def _part(config: VocConfig, lists: Path, part: str, labels: list[str]) -> AnnotatedFiles:
    whole = lists / f"{part}.txt"
    listed = {number: line for number, line in read_lines(whole, "image names")}
    images = list(listed.values())
    row = {image: number for number, image in enumerate(images)}
    table = np.zeros((len(images), len(labels)), np.int8)
    for column, label in enumerate(labels):
        path = lists / f"{label}_{part}.txt"
        values = {}
        for number, line in read_lines(path, "annotations"):
            image, _, value = line.partition(" ")
            if image not in row or value.strip() not in ("-1", "0", "1"):
                raise InputError(f"{path}:{number}: {brief(line)} is not an image of {part}.txt with -1, 0 or 1")
            values[row[image]] = int(value.strip())
        if len(values) < len(images):
            raise InputError(f"{path} annotates {len(values):,} images, {part}.txt has {len(images):,}; fetch it again")
        table[list(values), column] = [v or DIFFICULT[config.difficult] for v in values.values()]
    files = [f"{image}.jpg" for image in images]
    if config.difficult != "unknown":
        return AnnotatedFiles(files, Targets.of(table > 0), whole, list(listed))
    rows, columns = np.nonzero(table)
    targets = Targets.of_entries(rows, columns, table.shape, table[rows, columns], partial=True)
    return AnnotatedFiles(files, targets, whole, list(listed))
