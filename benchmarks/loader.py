"""The loader of image files, compared with only decoding and resizing them."""

import multiprocessing
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from torch.utils.data import DataLoader

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, interleaved, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import load_config
from zsl.data.dataset import Part
from zsl.data.loading import Batch, Samples, TrainingOrder, batches_of, opened
from zsl.data.pictures import ImageFiles
from zsl.data.squares import Square
from zsl.data.table import DataConfig, load_data
from zsl.data.targets import Targets

SIZE = (500, 375)  # of Flickr's medium pictures, as NUS-WIDE has them


def command(
    config: Annotated[
        str | None,
        typer.Option(metavar="CONFIG", help="A recipe or a TOML file of image files; by default, generated pictures."),
    ] = None,
    settings: Settings = None,
    images: Annotated[int, typer.Option(min=1, help="Images to read.")] = 2000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read.")] = 2,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch of the loader.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every side runs once.")] = 5,
    out: Out = None,
) -> None:
    """Read image files, compared with only decoding and resizing them."""
    data = None if config is None else load_config(config, settings or []).data
    measured(lambda progress: bench_loader(data, images, workers, batch_size, rounds, progress), out)


def bench_loader(
    config: DataConfig | None, images: int, workers: int, batch_size: int, rounds: int, progress: Progress
) -> Figures:
    """Images per second of the training loader with `workers` processes, and of as many that only decode and resize.

    The loader's processes are already running, as in every epoch but the first.

    Args:
        config: of image files, of which the first `images` training images are read; None generates pictures.
        rounds: times that each side runs, in turn.
    Raises:
        InputError: the data holds no image files.
    """
    if config is not None and config.drawn:
        raise InputError("this benchmark is for a dataset of image files; these pictures are drawn")
    with tempfile.TemporaryDirectory() as name:
        part = _made(Path(name), images, progress) if config is None else load_data(config).train
        if not isinstance(part.inputs, ImageFiles):
            raise InputError("this benchmark is for a dataset of image files")
        rows = np.arange(min(images, len(part.targets)))
        paths = [part.inputs.folder / part.inputs.files[row] for row in rows.tolist()]
        square = part.inputs.square
        loader = batches_of(Samples(part, rows), TrainingOrder(len(rows), batch_size, 0), workers)
        sides = {
            "decode and resize": partial(_bare, paths, square, workers),
            "loader": partial(_read, loader),
        }
        for side in sides.values():  # from here on, the files are in memory and the loader's processes are running
            side()
        seconds = interleaved(sides, rounds, progress)
    base = median(seconds["decode and resize"])
    table = [
        [side, f"{median(times):.2f}", f"{len(rows) / median(times):,.0f}", f"{median(times) / base:.3f}"]
        for side, times in seconds.items()
    ]
    sizes = f"{len(rows):,} images to {square.size} px, {workers} processes, batches of {batch_size}"
    record = {"images": len(rows), "size": square.size, "workers": workers, "seconds": seconds, "machine": machine()}
    return Figures(f"{sizes}, median of {rounds} rounds", ["", "seconds", "images/s", "ratio"], table, record)


def _bare(paths: list[Path], square: Square, workers: int) -> None:
    """As many processes as the loader has; each only decodes and resizes its share of the images."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_decode, args=(paths[n::workers], square)) for n in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def _decode(paths: list[Path], square: Square) -> None:
    for path in paths:
        with Image.open(path) as image:
            np.asarray(square.of(image.convert("RGB")))


def _read(loader: DataLoader[Batch]) -> None:
    for batch in loader:
        opened(batch)


def _made(folder: Path, images: int, progress: Progress) -> Part:
    """JPEGs of Flickr's size: coarse noise with a little fine noise, about as large as photographs."""
    generator = np.random.default_rng(0)
    for number in range(images):
        small = Image.fromarray(generator.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        fine = generator.integers(-12, 13, (SIZE[1], SIZE[0], 1))
        pixels = np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC)) + fine
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=85)
        if number % 100 == 0 or number + 1 == images:
            progress("pictures", number + 1, images)
    files = [f"{number}.jpg" for number in range(images)]
    return Part(ImageFiles(folder, files, Square(224)), Targets.of(np.ones((images, 1))))
