"""Datasets in their layouts, written small."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.zsl.layouts import (  # noqa: F401 - fixtures
    album,
    cars,
    cifar,
    classes,
    coco,
    features,
    open_images,
    regions,
    voc,
)

TAGS = ("sky", "whale", "old dog", "clouds", "cat", "street")
CONCEPTS = ("clouds", "cat", "fire")  # fire is not among the tags
IMAGES, TRAIN = 23, 13


@dataclass(frozen=True)
class RawTree:
    """NUS-WIDE's raw layout: image names with backslashes, (image, tag) and (image, concept) tables of 0 and 1."""

    root: Path
    names: list[str]
    tags: np.ndarray
    truth: np.ndarray

    def file(self, image: int) -> Path:
        return self.root / "Flickr" / self.names[image].replace("\\", "/")


@pytest.fixture
def raw(tmp_path: Path) -> RawTree:
    """A tree whose image list is not in the order of the train and test lists."""
    root = tmp_path / "nus"
    for folder in ("ImageList", "NUS_WID_Tags", "ConceptsList", "Groundtruth/AllLabels", "Flickr/actor", "Flickr/zoo"):
        (root / folder).mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = [f"{'actor' if n % 2 else 'zoo'}\\{n:04d}_{n * 7}.jpg" for n in range(IMAGES)]
    order = generator.permutation(IMAGES)
    (root / "ImageList/Imagelist.txt").write_text("".join(f"{names[n]}\r\n" for n in order))
    (root / "ImageList/TrainImagelist.txt").write_text("".join(f"{name} \n" for name in names[:TRAIN]))
    (root / "ImageList/TestImagelist.txt").write_text("".join(f"{name}\n" for name in names[TRAIN:]))
    (root / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(TAGS) + "\n")
    (root / "ConceptsList/Concepts81.txt").write_text("\n".join(CONCEPTS) + "\n")
    tags = (generator.random((IMAGES, len(TAGS))) < 0.4).astype(int)
    tags[3] = 0  # a training image without a tag
    truth = (generator.random((IMAGES, len(CONCEPTS))) < 0.3).astype(int)
    truth[20] = 0
    lines = ["\t".join(map(str, tags[n])) + "\t\r\n" for n in order]
    (root / "NUS_WID_Tags/AllTags1k.txt").write_text("".join(lines))
    for column, concept in enumerate(CONCEPTS):
        values = "".join(f"{truth[n, column]}\n" for n in order)
        (root / f"Groundtruth/AllLabels/Labels_{concept}.txt").write_text(values)
    tree = RawTree(root, names, tags, truth)
    for image in range(IMAGES):
        pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tree.file(image), quality=100)
    return tree
