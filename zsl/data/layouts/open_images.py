"""Open Images' image-level labels, versions 4 and 6: present, absent or not annotated, by people and by machines."""

from array import array
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, NonNegativeInt

from embeddings.io.errors import InputError
from embeddings.io.names import brief, composed, label_name
from embeddings.io.reading import open_text
from embeddings.texts import read_lines
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, Selection, assemble
from zsl.data.layouts.index_cache import Arrays, cached, packed, unpacked
from zsl.data.targets import Targets

HEADER = ("ImageID", "Source", "LabelName", "Confidence")
UNSEEN = {"v4": 400, "v6": 0}
EXPECTED = {
    "v4": {"test images": 125_436, "seen labels": 7_186, "unseen labels": 400},
    "v6": {"test images": 125_436, "seen labels": 9_605, "unseen labels": 0},
}


class OpenImagesConfig(ImagesConfig):
    """`root` holds the label files under their published names, there or in a folder train or test, and the pictures in
    a folder `images`: train/ID.jpg, or train_X/ID.jpg where X is the first digit of the id, as the archives unpack.

    `unseen`: a number of labels, which are the most frequent test labels that are not trainable (v4: 400, v6: none), or
    a file of names or identifiers, one per line. `machine`: a confidence; machine labels that reach it count as
    positives of training images, where no person annotated the label. Without it machine labels are not read. `test`:
    "all" images with annotations, or only those "labelled" with an unseen label.
    """

    name: Literal["open_images"] = "open_images"
    root: Path
    version: Literal["v4", "v6"] = "v6"
    images: Path = Path()
    unseen: NonNegativeInt | Path | None = None
    machine: float | None = Field(None, gt=0, le=1)
    test: Literal["all", "labelled"] = "all"

    def load(self) -> MultiLabelData:
        """Seen labels are the trainable classes, in their file's order.

        Annotations are partial: -1 means that a person marked the label as absent. Labels have their display names; a
        name that several labels share is followed by the identifier.

        Raises:
            InputError: a missing or damaged file, an unknown label, missing images that are not skipped.
        """
        prefix = "oidv6-" if self.version == "v6" else ""
        names = _display_names(_find(self.root, "", f"{prefix}class-descriptions.csv"))
        seen = [line for _, line in read_lines(_find(self.root, "", f"{prefix}classes-trainable.txt"), "classes")]
        ending = "annotations-human-imagelabels.csv"
        human = {"train": f"{prefix}train-{ending}", "test": f"test-{ending}"}  # version 6 uses version 5's
        sources = {part: _find(self.root, part, file) for part, file in human.items()}
        read = {part: [_annotations(source)] for part, source in sources.items()}
        if self.machine is not None:
            machine = _find(self.root, "train", "train-annotations-machine-imagelabels.csv")
            read["train"].append(_annotations(machine))
        unseen = _unseen(self, read["test"][0], seen, names)
        unknown = next((label for label in (*seen, *unseen) if label not in names), None)
        if unknown is not None:
            raise InputError(f"class {unknown!r} has no name in {prefix}class-descriptions.csv; fetch it again")
        parts = [
            AnnotatedFiles(*_part(self.root / self.images, part, files, [*seen, *unseen], self.machine), sources[part])
            for part, files in read.items()
        ]
        standard = len(unseen) == UNSEEN[self.version] and not isinstance(self.unseen, Path)
        selection = Selection(self.test == "labelled", expected=EXPECTED[self.version] if standard else {})
        labels = _unique([names[label] for label in (*seen, *unseen)], [*seen, *unseen])
        split = labels[: len(seen)], labels[len(seen) :]
        folder = self.root / self.images
        return assemble(self, f"open_images_{self.version}", folder, split, (parts[0], parts[1]), selection)


def _find(root: Path, part: str, file: str) -> Path:
    for path in (root / file, root / part / file):
        if path.is_file():
            return path
    raise InputError(f"{root} lacks {file}; fetch it from the Open Images site")


def _display_names(path: Path) -> dict[str, str]:
    found = {}
    for number, line in read_lines(path, "class descriptions"):
        label, comma, name = line.partition(",")
        if not comma:
            raise InputError(f"{path}:{number}: {line!r} is not IDENTIFIER,NAME")
        name = name.strip()
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = name[1:-1].replace('""', '"')
        if name:
            found[label.strip()] = label_name(name, f"{path}:{number}")
    return found


def _unique(names: list[str], labels: list[str]) -> list[str]:
    counts = Counter(names)
    return [f"{name} ({label})" if counts[name] > 1 else name for name, label in zip(names, labels, strict=True)]


def _unseen(config: OpenImagesConfig, test: Arrays, seen: list[str], names: dict[str, str]) -> list[str]:
    if isinstance(config.unseen, Path):
        of_name: dict[str, list[str]] = {}
        for label, name in names.items():
            of_name.setdefault(name, []).append(label)
        found: list[str] = []
        for number, line in read_lines(config.unseen, "unseen classes"):
            meant = [line] if line in names else of_name.get(composed(line), [])
            reason = {0: "is not a class", 1: ""}.get(len(meant), f"is the name of several: {', '.join(meant)}")
            if meant and meant[0] in set(seen):
                reason = "is a trainable class"
            if meant and meant[0] in found:
                reason = "is listed above too"
            if reason:
                raise InputError(f"{config.unseen}:{number}: {line!r} {reason}; correct it")
            found += meant
        return found
    wanted = UNSEEN[config.version] if config.unseen is None else config.unseen
    labels = unpacked(test["labels"])
    counts = np.bincount(test["columns"][test["percent"] >= 50], minlength=len(labels))
    ranked = sorted(zip(-counts, labels, strict=True))
    trainable = set(seen)
    return [label for count, label in ranked if count and label not in trainable][:wanted]


def _part(
    folder: Path, part: str, files: list[Arrays], labels: list[str], machine: float | None
) -> tuple[list[str], Targets]:
    """Image files and their annotations: those of people, and those of machines for labels that nobody annotated."""
    place = {label: number for number, label in enumerate(labels)}
    images = {image: number for number, image in enumerate(unpacked(files[0]["images"]))}
    keys: list[np.ndarray] = []
    values = []
    for number, arrays in enumerate(files):
        columns = np.array([place.get(label, -1) for label in unpacked(arrays["labels"])])[arrays["columns"]]
        rows = np.array([images.setdefault(image, len(images)) for image in unpacked(arrays["images"])])[arrays["rows"]]
        said = np.where(arrays["percent"] >= 50, 1, -1).astype(np.int8)
        kept = columns >= 0
        if number and machine is not None:
            kept &= arrays["percent"] >= round(100 * machine)
        places = rows[kept].astype(np.int64) * len(labels) + columns[kept]
        fresh = ~np.isin(places, keys[0]) if number else np.ones(len(places), bool)
        keys.append(places[fresh])
        values.append(np.ones(int(fresh.sum()), np.int8) if number else said[kept])
    split = any((folder / f"{part}_{digit}").is_dir() for digit in "0123456789abcdef")
    paths = [f"{part}_{image[0]}/{image}.jpg" if split else f"{part}/{image}.jpg" for image in images]
    rows, columns = np.divmod(np.concatenate(keys), len(labels))
    shape = (len(images), len(labels))
    return paths, Targets.of_entries(rows, columns, shape, np.concatenate(values), partial=True)


def _annotations(path: Path) -> Arrays:
    """Images, labels, and the image, label and confidence (in percent) of each annotation."""
    return cached("open_images/3", [path], None, lambda: _parse(path))


def _parse(path: Path) -> Arrays:
    images: dict[str, int] = {}
    labels: dict[str, int] = {}
    rows, columns, percent = array("i"), array("i"), array("B")
    with open_text(path, "annotations") as file:
        header = next(file, "").strip()
        if tuple(header.split(",")) != HEADER:
            raise InputError(f"{path}:1: the header is {brief(header)} instead of {','.join(HEADER)}")
        for number, line in enumerate(file, 2):
            try:
                image, _, label, confidence = line.split(",")
                share = float(confidence)
                if not image or not 0 <= share <= 1:
                    raise ValueError(f"confidence {share} of {image!r}")
                percent.append(round(100 * share))
            except ValueError as error:
                told = f"{path}:{number}: {brief(line.strip())} is not {','.join(HEADER)}; fetch it again"
                raise InputError(told) from error
            rows.append(images.setdefault(image, len(images)))
            columns.append(labels.setdefault(label, len(labels)))
    return {
        "images": packed(list(images)),
        "labels": packed(list(labels)),
        "rows": np.array(rows, np.int32),
        "columns": np.array(columns, np.int32),
        "percent": np.array(percent, np.uint8),
    }
