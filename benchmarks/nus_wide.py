"""The cost of opening NUS-WIDE's raw layout at full size."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks.peak import peak_of
from embeddings.io.arrays import read_arrays
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured

IMAGES, TEST, TAGS = 269_648, 107_859, 1_000
TAG_DENSITY = 0.0063  # about 6 of the 1,000 tags an image
TRUTH_DENSITY = 0.023
OPEN = """
import time
from pathlib import Path
from zsl.data.table import load_data
from zsl.data.layouts.nus_wide import NusWideConfig
started = time.perf_counter()
load_data(NusWideConfig(name="nus_wide", root=Path(sys.argv[1]), missing="skip"))
print("opened", time.perf_counter() - started)
"""


def command(
    truth: Annotated[
        Path | None, typer.Option(help="The real annotation, an .npz; by default, generated labels.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures that exist; the others are missing.")] = 4000,
    out: Out = None,
) -> None:
    """Open NUS-WIDE's raw layout at full size."""
    measured(lambda progress: bench_nus_wide(truth, images, progress), out)


def bench_nus_wide(truth: Path | None, images: int, progress: Progress) -> Figures:
    """First and second opening of a generated tree, each in a process of its own.

    Args:
        truth: an .npz of the real annotation (`labels_packed`, `concepts`, `test_rows`), or generated labels.
        images: JPEGs that exist; the others are missing, as in an incomplete download.
        progress: told of what is written.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels, concepts, test = _truth(truth)
        _write(folder, labels, concepts, test, images, progress)
        rows, measured = [], []
        for title in ("first", "second"):
            _, peak, said = peak_of(OPEN, [str(folder)], folder / "cache")
            opened = float(said.split("opened")[1].split()[0])
            measured.append({"opening": title, "seconds": opened, "peak_bytes": peak})
            rows.append([title, f"{opened:.2f}", f"{peak / 1e9:.2f}"])
            progress(f"{title} opening", 1, 1)
    tested = labels[test]
    positives, labelled = int(tested.sum()), int(tested.any(axis=1).sum())
    figures = {
        "test_positives": positives,
        "labelled_test_images": labelled,
        "positives_per_test_image": {"all": positives / len(test), "labelled": positives / labelled},
    }
    title = (
        f"{IMAGES:,} images, {TAGS:,} tags, {len(concepts)} concepts; {positives:,} test positives, "
        f"{labelled:,} labelled test images, {positives / len(test):.3f} and {positives / labelled:.3f} a test image"
    )
    record = {"measured": measured, "ground_truth": figures, "machine": machine()}
    return Figures(title, ["opening", "seconds", "peak GB"], rows, record)


def _truth(path: Path | None) -> tuple[np.ndarray, list[str], np.ndarray]:
    if path is not None:
        return read_truth(path)
    generator = np.random.default_rng(0)
    names = [f"concept{number}" for number in range(81)]
    return generator.random((IMAGES, 81)) < TRUTH_DENSITY, names, np.arange(IMAGES - TEST, IMAGES)


def read_truth(path: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """The real annotation, an .npz: (image, concept) bool, the concepts, the rows of test images.

    Raises:
        InputError: no such file, or other content.
    """
    arrays = read_arrays(path, "NUS-WIDE's annotation", IMAGES * 81 // 8)
    shapes = {
        name: arrays[name].shape if name in arrays else None for name in ("labels_packed", "concepts", "test_rows")
    }
    match shapes:
        case {"labels_packed": (_, width), "concepts": (count,), "test_rows": (_,)} if 8 * width >= count:
            packed, rows = arrays["labels_packed"], arrays["test_rows"]
            if packed.dtype == np.uint8 and rows.dtype.kind in "iu" and ((rows >= 0) & (rows < len(packed))).all():
                concepts = [str(concept) for concept in arrays["concepts"]]
                return np.unpackbits(packed, axis=1)[:, :count].astype(bool), concepts, rows
    raise InputError(f"{path} is not an annotation of NUS-WIDE: wrong shapes or types of its arrays; shapes: {shapes}")


def _write(
    root: Path, labels: np.ndarray, concepts: list[str], test: np.ndarray, images: int, progress: Progress
) -> None:
    """The tree: lists, a table of tags, a file for each concept, and some pictures."""
    generator = np.random.default_rng(1)
    for folder in ("ImageList", "NUS_WID_Tags", "ConceptsList", "Groundtruth/AllLabels"):
        (root / folder).mkdir(parents=True)
    names = [f"folder{number % 700}\\{number:04d}_{number * 7}.jpg" for number in range(len(labels))]
    tested = set(test.tolist())
    lists = {
        "Imagelist": names,
        "TrainImagelist": [name for row, name in enumerate(names) if row not in tested],
        "TestImagelist": [names[row] for row in test],
    }
    for title, listed in lists.items():
        (root / f"ImageList/{title}.txt").write_text("\n".join(listed) + "\n")
    tags = [*concepts[: min(75, len(concepts))], *(f"tag{number}" for number in range(TAGS))][:TAGS]
    (root / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(tags) + "\n")
    (root / "ConceptsList/Concepts81.txt").write_text("\n".join(concepts) + "\n")
    with (root / "NUS_WID_Tags/AllTags1k.txt").open("wb") as file:
        line = np.full((4096, 2 * TAGS + 1), ord("\t"), np.uint8)
        line[:, -1] = ord("\n")
        for start in range(0, len(labels), 4096):
            rows = min(4096, len(labels) - start)
            line[:rows, 0:-1:2] = ord("0") + (generator.random((rows, TAGS)) < TAG_DENSITY)
            file.write(line[:rows].tobytes())
    for column, concept in enumerate(concepts):
        text = np.full((len(labels), 2), ord("\n"), np.uint8)
        text[:, 0] = ord("0") + labels[:, column]
        (root / f"Groundtruth/AllLabels/Labels_{concept}.txt").write_bytes(text.tobytes())
    picture = Image.fromarray(generator.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    for row in generator.choice(len(labels), images, replace=False):
        path = root / "Flickr" / names[row].replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=95)
    os.sync()
    progress("tree", 1, 1)
