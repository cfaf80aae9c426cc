"""Batches: which images, in which order, for which process, and how they are read.

Nothing here has a state: the order of an epoch, the pieces of a batch that a process gets and the random numbers of an
image's augmentation follow from the seed, the epoch and the image. So a run can continue from any step, and several
processes or workers give the same results as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from embeddings.io.errors import InputError
from zsl.data.buffers import AHEAD
from zsl.data.dataset import Augmentation, Part, read_finite
from zsl.data.targets import Targets

Batch = tuple[Tensor, Tensor]


class Samples(Dataset[Batch]):
    """Rows of a `Part`, read a batch at a time.

    Args:
        part: inputs and targets.
        rows: (sample,) rows of the part; None for all.
        augment: applied to each image, with new random numbers in each epoch.
        views: for tokens of several views, from how many of them one is drawn; 1 always reads the image itself.
        seed: of augmentation and views.
    """

    def __init__(
        self,
        part: Part,
        rows: np.ndarray | None = None,
        augment: Augmentation | None = None,
        views: int = 1,
        seed: int = 0,
    ):
        self.part = part
        self.rows = np.arange(len(part.targets)) if rows is None else rows
        self.augment, self.views, self.seed = augment, views, seed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def targets(self) -> Targets:
        """The targets of these rows, in order."""
        return self.part.targets[self.rows]

    def names(self, indices: np.ndarray) -> list[str]:
        """The names of the inputs of some samples."""
        return [self.part.inputs.name(int(row)) for row in self.rows[indices]]

    def __getitems__(self, indices: list[int]) -> Batch | InputError:
        """The samples of indices `epoch * len(self) + place`."""
        epochs, places = np.divmod(np.array(indices), len(self))
        rows = self.rows[places]
        seeds = mixed(self.seed, epochs, rows)
        inputs = self.part.inputs
        try:
            views = (seeds % np.uint64(self.views)).astype(np.int64) if self.views > 1 else None
            read = read_finite(inputs, rows, views)
        except InputError as error:
            return error  # raised in a loader's worker process, it would reach the user as a stack trace
        if self.augment is not None:
            for image, seed in zip(read, seeds.tolist(), strict=True):
                torch.manual_seed(seed)
                image.copy_(self.augment(image))
        return read, torch.from_numpy(self.part.targets[rows].dense())


def mixed(*numbers: int | np.ndarray) -> np.ndarray:
    """64-bit hashes of numbers (splitmix64): any change of a number changes all bits.

    Args:
        numbers: integers, or arrays of them that broadcast.
    """
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for number in numbers:
            state = state + np.asarray(number).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


@dataclass(frozen=True)
class HeldOutSamples:
    """Labels that are held out of training.

    Args:
        validation: validation inputs with targets over these labels.
        vectors: (label, embed) their word vectors.
    """

    validation: Samples
    vectors: Tensor


@dataclass(frozen=True)
class SeenSamples:
    """The data on which a model is trained, and the data that picks its best epoch.

    Args:
        train, validation: inputs with targets over the seen labels.
        vectors: (label, embed) word vectors of the seen labels; None for a readout that reads none.
        held_out: what is asked of the validation images instead, to pick the best epoch; None for the seen labels.
    """

    train: Samples
    validation: Samples
    vectors: Tensor | None
    held_out: HeldOutSamples | None = None

    def holding_out(self, columns: np.ndarray) -> "SeenSamples":
        """The same images without the annotations of some labels, which then pick the best epoch.

        Training images that keep no label are left out.

        Args:
            columns: of the labels that are held out.
        Raises:
            InputError: no training image is left.
        """
        assert self.vectors is not None
        kept = np.setdiff1d(np.arange(len(self.vectors)), columns)
        train, held = self.train, self.validation
        part = Part(train.part.inputs, train.part.targets.columns(kept))
        rows = train.rows[part.targets[train.rows].image_counts() > 0]
        if not len(rows):
            raise InputError(f"no training image shows another label than the {len(columns)} that are held out")
        seen, asked = (Part(held.part.inputs, held.part.targets.columns(chosen)) for chosen in (kept, columns))
        return SeenSamples(
            Samples(part, rows, train.augment, train.views, train.seed),
            Samples(seen, held.rows),
            self.vectors[kept],
            HeldOutSamples(Samples(asked, held.rows), self.vectors[columns]),
        )


class TrainingOrder(Sampler[list[int]]):
    """Shuffled batches. Each is divided among processes, and on each process among pieces whose gradients are summed.

    Every image counts once per epoch, whatever the number of processes; the last batch may be smaller. A piece without
    an image of its own repeats one; `counts` is then False.
    """

    def __init__(self, images: int, batch_size: int, seed: int, processes: int = 1, process: int = 0, pieces: int = 1):
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.processes, self.process, self.pieces = processes, process, pieces
        self.steps = -(-images // batch_size)
        self.begin(0, 0)

    def begin(self, epoch: int, step: int) -> None:
        """Makes the next iteration yield the steps of this epoch, beginning with `step`."""
        self.epoch, self.step = epoch, step
        self.permutation = np.random.default_rng([self.seed, epoch]).permutation(self.images)

    def batch(self, step: int) -> np.ndarray:
        """The places of all images of a step, over all processes."""
        return self.permutation[step * self.batch_size : (step + 1) * self.batch_size]

    def _own(self, step: int) -> list[np.ndarray]:
        share = np.array_split(self.batch(step), self.processes)[self.process]
        return np.array_split(share, self.pieces)

    def counts(self, step: int, piece: int) -> bool:
        """Whether a piece has images of its own."""
        return len(self._own(step)[piece]) > 0

    def __len__(self) -> int:
        return (self.steps - self.step) * self.pieces

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.step, self.steps):
            for piece in self._own(step):
                places = piece if len(piece) else self.batch(step)[:1]
                yield (self.epoch * self.images + places).tolist()


class ScoringOrder(Sampler[list[int]]):
    """Batches in order; the processes take them in turn. The batches do not depend on the number of processes.

    In the last turn, a process for which no batch is left repeats the last one.
    """

    def __init__(self, images: int, batch_size: int, processes: int = 1, process: int = 0):
        self.batches = [range(start, min(start + batch_size, images)) for start in range(0, images, batch_size)]
        self.processes, self.process = processes, process

    def __len__(self) -> int:
        return -(-len(self.batches) // self.processes)

    def __iter__(self) -> Iterator[list[int]]:
        for turn in range(len(self)):
            yield list(self.batches[min(turn * self.processes + self.process, len(self.batches) - 1)])


def _whole(batch: Any) -> Any:
    return batch  # __getitems__ has made it a batch already


def batches_of(
    samples: Samples, order: TrainingOrder | ScoringOrder, workers: int = 0, pinned: bool = False
) -> DataLoader[Batch]:
    """A loader of whole batches; pass each through `opened`.

    A loader of training batches keeps its worker processes for the next epoch.

    Args:
        samples: what is read.
        order: which samples each batch has.
        workers: processes that read; a batch of theirs stays valid until `GOOD_FOR` more have been taken, or another
            iteration begins.
        pinned: copy batches into pinned memory, from which a GPU copies faster.
    Returns:
        the loader.
    """
    return DataLoader(
        samples,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_whole,
        pin_memory=pinned,
        prefetch_factor=AHEAD if workers else None,
        persistent_workers=workers > 0 and isinstance(order, TrainingOrder),
    )


def opened(batch: Batch | InputError) -> Batch:
    """The batch itself; an error that occurred in reading it is raised here.

    Raises:
        InputError: an input that cannot be read.
    """
    if isinstance(batch, InputError):
        raise batch
    return batch
