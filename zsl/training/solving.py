"""Solves readouts that have a closed form, instead of training them: one pass over the images, then an equation."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import not_finite
from zsl.data.loading import Samples, SeenSamples, opened
from zsl.model import ZeroShotModel
from zsl.readouts.closed_form import ClosedFormReadout, Problem, Statistics
from zsl.readouts.readout import Features
from zsl.scoring import SPOILT, gathered, scoring_batches
from zsl.training.history import History, chance_of, validation_map
from zsl.training.journal import UNWATCHED, Journal


def solve(
    model: ZeroShotModel, seen: SeenSamples, context: Context, journal: Journal = UNWATCHED, seed: int = 0
) -> History:
    """Solves the model's `ClosedFormReadout` on the training samples; the validation samples only pick its settings.

    A readout with landmarks is first given as many training images, drawn at random.

    Every process gets the same solution, which does not depend on the number of processes.

    Args:
        model: solved in place; its backbone, if it has one, stays as it is.
        seen: training and validation samples, and the word vectors of the seen labels.
        context: device, batch size, workers and progress.
        journal: the task's name, and a function to call with the result; there are no checkpoints.
        seed: of the folds, in which some seen labels are treated as unseen.
    Returns:
        A history of one epoch: the squared error per image, and mAP of the seen labels on the validation samples.
    Raises:
        InputError: a validation part without positives, images or vectors that are all the same.
    """
    readout, train, validation = model.readout, seen.train, seen.validation
    assert isinstance(readout, ClosedFormReadout)
    assert seen.vectors is not None
    vectors, task = seen.vectors.double().cpu().numpy(), journal.task
    if readout.landmarks:
        _keep_landmarks(model, readout, train, context, task, seed)
    sums = Statistics.of(_pairs(model, train, context, task), readout.channels, len(vectors))
    held = np.concatenate(list(_read(model, validation, context, f"{task}, validation"))) - sums.x / sums.images
    values = validation.targets.dense()
    if not (values > 0).any():
        raise InputError("the validation part holds no positive; raise train.validation")
    solution = readout.solve(Problem(sums, vectors, held, values, train.part.targets.partial, seed))
    history = History(
        loss=[_squared_error(sums, solution.seen_map)],
        lr=[0.0],
        validation_map=[validation_map(solution.held_scores, validation.targets)],
        best_epoch=0,
        chance=chance_of(validation.targets),
        chosen=solution.chosen,
        best_state={name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
    )
    context.progress(task, 1, 1, f"{solution.note}; seen validation mAP {100 * history.validation_map[0]:.1f}")
    if journal.watch is not None and context.is_main:
        journal.watch(history)
    return history


def _keep_landmarks(
    model: ZeroShotModel, readout: ClosedFormReadout, train: Samples, context: Context, task: str, seed: int
) -> None:
    """Gives the readout its landmarks: training images drawn at random, or all of them if they are fewer."""
    drawn = np.random.default_rng(seed).permutation(len(train))[: readout.landmarks]
    chosen = Samples(train.part, train.rows[np.sort(drawn)], train.augment, train.views, train.seed)
    readout.keep(np.concatenate(list(_read(model, chosen, context, f"{task}, landmarks", readout.pooled))))


def _squared_error(sums: Statistics, logits: np.ndarray) -> float:
    """`||X W - Y||^2` per image, both centred; `logits` is W."""
    mean = sums.y / sums.images
    targets = sums.yy - sums.images * mean @ mean
    return float(targets + np.vdot(logits, sums.gram @ logits) - 2 * np.vdot(logits, sums.cross)) / sums.images


def _pairs(
    model: ZeroShotModel, samples: Samples, context: Context, task: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the readout reads from each image, with the image's targets, one batch at a time."""
    targets, done = samples.targets, 0
    for x in _read(model, samples, context, task):
        yield x, targets[done : done + len(x)].dense()
        done += len(x)


@torch.inference_mode()
def _read(
    model: ZeroShotModel,
    samples: Samples,
    context: Context,
    task: str,
    read_by: Callable[[Features], Tensor] | None = None,
) -> Iterator[np.ndarray]:
    """What the readout reads from each image, in order, one batch at a time, on every process; or another function."""
    assert isinstance(model.readout, ClosedFormReadout)
    reader = model.readout.read if read_by is None else read_by
    with torch.inference_mode(False):  # the closed form may be a part of a readout that is trained later
        model.to(context.device).eval()
    left, loader = len(samples), scoring_batches(samples, context)
    for step, batch in enumerate(loader):
        with context.accelerator.autocast():
            tokens = model.encode(opened(batch)[0].to(context.device, non_blocking=True))
        read = gathered(reader(tokens), context)[:left]
        spoilt = not_finite(read)
        if spoilt is not None:
            (name,) = samples.names(np.array([len(samples) - left + spoilt]))
            raise InputError(f"tokens of {name} are not finite: {SPOILT}")
        left -= len(read)
        context.progress(task, step + 1, len(loader))
        yield read.cpu().numpy()
