"""A folder of images for each class, as in ImageNet: one label per image."""

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import composed, label_name
from embeddings.texts import read_lines
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, assemble
from zsl.data.layouts.split import without
from zsl.data.targets import Targets


class ClassFoldersConfig(ImagesConfig):
    """`root` holds the folders `train` and `test`, each with one folder per class.

    `names`: a file with lines "folder name", for folders that are not named after their label (ImageNet's synsets).
    `unseen`: a file of unseen labels, one name per line; their training images are left out. Without it the set is
    closed.
    """

    name: Literal["class_folders"] = "class_folders"
    root: Path
    train: Path = Path("train")
    test: Path = Path("val")
    names: Path | None = None
    unseen: Path | None = None

    def load(self) -> MultiLabelData:
        """Seen labels are in the alphabetical order of their folders, unseen ones in the order of their file.

        Raises:
            InputError: a missing folder or file, a test class that training lacks, missing images, an empty part.
        """
        folders = {part: _classes(self.root / path) for part, path in (("train", self.train), ("test", self.test))}
        every = sorted({*folders["train"], *folders["test"]})
        names = _own_names(self.root, every) if self.names is None else _names(self.names, every)
        seen, unseen = without([names[folder] for folder in every], self.unseen)
        strange = next((f for f in folders["test"] if f not in folders["train"] and names[f] not in set(unseen)), None)
        if strange is not None:
            place = self.root / self.test / strange
            raise InputError(f"{place}: no training folder of this class; list it in data.unseen, or remove it")
        column = {label: number for number, label in enumerate(seen + unseen)}

        def annotated(part: str, path: Path, labels: set[str]) -> AnnotatedFiles:
            found = [(f"{path.as_posix()}/{f}/{i}", column[names[f]]) for f in folders[part] for i in folders[part][f]]
            kept = [(file, number) for file, number in found if (seen + unseen)[number] in labels]
            columns = np.array([number for _, number in kept], np.int64)
            targets = Targets.of_entries(np.arange(len(kept)), columns, (len(kept), len(column)))
            return AnnotatedFiles([file for file, _ in kept], targets, self.root / path)

        parts = annotated("train", self.train, set(seen)), annotated("test", self.test, set(column))
        return assemble(self, self.root.resolve().name, self.root, (seen, unseen), parts)


def _classes(folder: Path) -> dict[str, list[str]]:
    """Image files by class folder, both in alphabetical order; other files are ignored."""
    from PIL import Image

    if not folder.is_dir():
        raise InputError(f"no folder {folder}; it should hold one folder of images per class")
    suffixes = set(Image.registered_extensions())
    classes = {
        inside.name: sorted(file.name for file in inside.iterdir() if file.suffix.lower() in suffixes)
        for inside in sorted(folder.iterdir())
        if inside.is_dir() and not inside.name.startswith(".")
    }
    if not any(classes.values()):
        raise InputError(f"{folder} holds no folder of images")
    return classes


def _names(path: Path, folders: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in read_lines(path, "names of folders"):
        folder, *rest = line.split(maxsplit=1)
        if not rest:
            raise InputError(f"{path}:{number}: write the folder, a space or tab, then its label's name")
        found[composed(folder)] = label_name(rest[0], f"{path}:{number}")
    lacking = next((folder for folder in folders if composed(folder) not in found), None)
    if lacking is not None:
        raise InputError(f"{path} has no name for folder {lacking}")
    return _apart({folder: found[composed(folder)] for folder in folders}, f"{path} gives two folders")


def _own_names(root: Path, folders: list[str]) -> dict[str, str]:
    """Labels that have the names of their folders."""
    return _apart({folder: label_name(folder, f"{root}: a folder") for folder in folders}, f"{root} has two folders of")


def _apart(names: dict[str, str], told: str) -> dict[str, str]:
    twice = next((name for name, count in Counter(names.values()).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{told} the name {twice!r}; rename one")
    return names
