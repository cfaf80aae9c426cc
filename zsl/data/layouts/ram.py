"""The JSON lists of RAM (EricTan7/RAM): {"images": [[path, [label, ...]], ...], "classes": [label, ...]}."""

from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import read_json
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, assemble
from zsl.data.targets import Targets

Listed = tuple[list[tuple[str, list[str]]], list[str]]


class RamConfig(ImagesConfig):
    """`root` holds the images. `train` and `test` are the JSON files. Classes only in the test file are unseen, so
    give the generalised one (test_1006_filtered.json) to measure both protocols. `prefix` is removed from the paths in
    the files, which are those of the authors' machine.
    """

    name: Literal["ram"] = "ram"
    root: Path
    train: Path
    test: Path
    prefix: str = ""

    def load(self) -> MultiLabelData:
        """Seen labels are the sorted classes of training, unseen ones the sorted classes that only the test file has.

        Repeated labels of an image count once; labels that are not a class are ignored.

        Raises:
            InputError: a missing file, a file of another layout, a path without the prefix, missing images that are not
                skipped.
        """
        (train, classes), (test, tested) = _read(self.root / self.train), _read(self.root / self.test)
        seen, unseen = sorted(set(classes)), sorted(set(tested) - set(classes))
        column = {label: number for number, label in enumerate([*seen, *unseen])}

        def annotated(rows: list[tuple[str, list[str]]], path: Path) -> AnnotatedFiles:
            strange = next((file for file, _ in rows if not file.startswith(self.prefix)), None)
            if strange is not None:
                raise InputError(f"{path}: {brief(strange)} does not begin with data.prefix = {self.prefix!r}")
            known = [(row, column[name]) for row, (_, names) in enumerate(rows) for name in names if name in column]
            places, columns = np.array(known, np.int64).reshape(-1, 2).T
            files = [file.removeprefix(self.prefix).lstrip("/") for file, _ in rows]
            return AnnotatedFiles(files, Targets.of_entries(places, columns, (len(rows), len(column))), path)

        parts = annotated(train, self.root / self.train), annotated(test, self.root / self.test)
        return assemble(self, self.root.resolve().name, self.root, (seen, unseen), parts)


def _read(path: Path) -> Listed:
    content = read_json(path, "images and classes")
    images, classes = (content.get(key) for key in ("images", "classes")) if isinstance(content, dict) else (None, None)
    if not isinstance(images, list) or not isinstance(classes, list):
        raise InputError(f'{path} is not {{"images": [[path, [label, ...]], ...], "classes": [...]}}')
    rows = []
    for number, image in enumerate(images, 1):
        match image:
            case [str(file), list(labels)]:
                rows.append((file, [label_name(label, f"{path}: image {number}") for label in labels]))
            case _:
                raise InputError(f"{path}: image {number} is not [path, [label, ...]] but {brief(image)}; correct it")
    return rows, [label_name(name, f'{path}: "classes"') for name in classes]
