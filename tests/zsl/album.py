"""The same small pictures and labels, written in several layouts."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SEEN = ('a "big" square', "blue disc", "rouge, foncé", "Ångström's bar")
UNSEEN = ("pink star", "green, dotted line", "été")
TRAIN, TEST, SIDE = 11, 7, 64


@dataclass(frozen=True)
class Album:
    """Pictures 0.jpg, 1.jpg, ...; annotations (image, label) over SEEN, then UNSEEN."""

    root: Path
    table: np.ndarray
    names: list[str] = field(default_factory=lambda: [f"{number}.jpg" for number in range(TRAIN + TEST)])

    @classmethod
    def make(cls, root: Path) -> "Album":
        generator = np.random.default_rng(0)
        table = generator.random((TRAIN + TEST, len(SEEN) + len(UNSEEN))) < 0.35
        table[:TRAIN, len(SEEN) :] = False
        table[np.arange(TRAIN), np.arange(TRAIN) % len(SEEN)] = True
        table[4] = False  # a training image without a label
        album = cls(root, table)
        (root / "pictures").mkdir(parents=True)
        for name in album.names:
            pixels = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "pictures" / name, quality=100)
        return album

    def labels(self, image: int) -> list[str]:
        return [(SEEN + UNSEEN)[column] for column in np.flatnonzero(self.table[image])]

    def as_csv(self) -> dict:
        with (self.root / "data.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["filepath", "classes", "split_name"])
            for image, name in enumerate(self.names):
                part = "train" if image < TRAIN else "val"
                writer.writerow([f"pictures/{name}", repr(self.labels(image)), part])
        split = {"train class": SEEN, "test class": UNSEEN}
        (self.root / "split.json").write_text(json.dumps(split), encoding="utf-8")
        return {"name": "csv", "root": self.root}

    def as_folder(self) -> dict:
        with (self.root / "labels.csv").open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file).writerows([f"pictures/{n}", *self.labels(i)] for i, n in enumerate(self.names))
        (self.root / "unseen.txt").write_text("\n".join(UNSEEN), encoding="utf-8")
        (self.root / "test.txt").write_text("\n".join(f"pictures/{name}" for name in self.names[TRAIN:]))
        return {"name": "folder", "root": self.root, "unseen": "unseen.txt", "test": "test.txt"}

    def as_ram(self) -> dict:
        prefix = "/mnt/somebody/pictures"
        for file, images, classes in (
            ("train.json", range(TRAIN), SEEN),
            ("test.json", range(TRAIN, TRAIN + TEST), UNSEEN + SEEN),
        ):
            rows = [[f"{prefix}/{self.names[i]}", self.labels(i) * 2] for i in images]
            (self.root / file).write_text(json.dumps({"images": rows, "classes": classes[::-1]}))
        return {
            "name": "ram",
            "root": self.root / "pictures",
            "train": self.root / "train.json",
            "test": self.root / "test.json",
            "prefix": prefix,
        }

    def as_nus_wide(self, halves: bool) -> dict:
        """The raw distribution, with tables of all images or of each part."""
        for folder in (
            "ImageList",
            "NUS_WID_Tags",
            "ConceptsList",
            "Groundtruth/AllLabels",
            "Groundtruth/TrainTestLabels",
        ):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        parts = {"Train": range(TRAIN), "Test": range(TRAIN, TRAIN + TEST)}
        for part, images in parts.items():
            lines = "".join(f"pictures\\{self.names[i]}\r\n" for i in images)
            (self.root / f"ImageList/{part}Imagelist.txt").write_text(lines)
        (self.root / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(SEEN + UNSEEN[:1]), encoding="utf-8")
        (self.root / "ConceptsList/Concepts81.txt").write_text("\n".join(UNSEEN), encoding="utf-8")
        wholes = {"All": range(TRAIN + TEST)} if not halves else parts
        if not halves:
            lines = "".join(f"pictures\\{name}\r\n" for name in self.names)
            (self.root / "ImageList/Imagelist.txt").write_text(lines)
        for part, images in wholes.items():
            tags = self.table[:, : len(SEEN) + 1].astype(int)
            lines = "".join("\t".join(map(str, tags[i])) + "\t\n" for i in images)
            (self.root / "NUS_WID_Tags" / f"{part}{'_' if halves else ''}Tags1k.dat").write_text(lines)
            for column, name in enumerate(UNSEEN, len(SEEN)):
                lines = "".join(f"{int(self.table[i, column])}\n" for i in images)
                place = f"TrainTestLabels/Labels_{name}_{part}.txt" if halves else f"AllLabels/Labels_{name}.txt"
                (self.root / "Groundtruth" / place).write_text(lines)
        return {"name": "nus_wide", "root": self.root, "images": "."}
