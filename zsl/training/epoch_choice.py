"""Which epoch finds labels that it was not trained on: models trained without some seen labels tell it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embeddings.io.errors import InputError, TrainingError
from zsl.context import Context
from zsl.data.folds import fold_columns
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.training.config import TrainConfig
from zsl.training.history import History
from zsl.training.journal import UNWATCHED, Journal
from zsl.training.loop import Training

FOLDS = 5  # of the seen labels
USED = 2  # of the folds are held out, each in a training of its own


@dataclass(frozen=True)
class Trials:
    """What is tried.

    Args:
        train: `[train]`.
        rates: learning rates, in place of `train.lr`.
        fresh: makes a model with initial weights for the labels of some samples.
    """

    train: TrainConfig
    rates: Sequence[float]
    fresh: Callable[[SeenSamples], ZeroShotModel]


@dataclass(frozen=True)
class EpochChoice:
    """What labels that were held out chose.

    Args:
        rate: the learning rate.
        epoch: counted from 0.
        curve: mAP of the held-out labels after each epoch at this rate, a mean over folds.
        tried: the best such mAP of each rate; None for one whose training failed.
    """

    rate: float
    epoch: int
    curve: list[float]
    tried: dict[str, float | None]


def train_by_held_out(
    trials: Trials, model: ZeroShotModel, seen: SeenSamples, context: Context, journal: Journal = UNWATCHED
) -> History:
    """Chooses learning rate and epoch on held-out labels, and then trains a model on all seen labels.

    This training has the same schedule as the trials, and ends with the chosen epoch.

    Args:
        trials: how models are trained.
        model: trained in place; it has initial weights.
        seen, context: same as for `zsl.training.loop.Training`.
        journal: also that of the trials, whose checkpoints stay until the caller removes them. So a stopped run
            continues with the training that it had reached.
    Returns:
        the history of the model's training.
    Raises:
        InputError: a readout without word vectors; too few labels or images.
        TrainingError: no rate keeps the loss finite.
    """
    chosen = choose_epoch(trials, seen, context, journal)
    own = trials.train.model_copy(update={"lr": chosen.rate})
    history = Training(own, model, seen, context, journal, chosen.epoch).run()
    history.held_out_map = chosen.curve
    if len(trials.rates) > 1:
        history.tried, history.chosen = chosen.tried, {"train.lr": chosen.rate, "decoder.rates": [1.0]}
    if journal.watch is not None and context.is_main:
        journal.watch(history)
    return history


def choose_epoch(trials: Trials, seen: SeenSamples, context: Context, journal: Journal = UNWATCHED) -> EpochChoice:
    """The learning rate and the epoch after which labels that are held out of training have the best mAP.

    `USED` models are trained at each rate, each without the annotations of a fold of the seen labels, which are then
    asked among themselves on the validation images. The mean over the models chooses; of equal epochs, the earliest.

    Args:
        trials, seen, context, journal: same as for `train_by_held_out`.
    Raises:
        InputError, TrainingError: same as for `train_by_held_out`.
    """
    if seen.vectors is None:
        raise InputError("train.select = 'held_out_labels' asks for labels by their word vectors; give a text readout")
    labels, rates = len(seen.vectors), sorted(trials.rates)
    folds = [seen.holding_out(fold_columns(labels, min(FOLDS, labels), fold)) for fold in range(min(USED, labels))]
    curves: dict[float, np.ndarray] = {}
    for number, rate in enumerate(rates, 1):
        own, found = trials.train.model_copy(update={"lr": rate}), []
        try:
            for fold, samples in enumerate(folds, 1):
                kept = journal.checkpoints and journal.checkpoints.of(f"fold-{fold}-rate-{number}")
                task = f"{journal.task}, fold {fold}/{len(folds)}" + (f", lr {rate:g}" if len(rates) > 1 else "")
                trial = Training(own, trials.fresh(samples), samples, context, Journal(task, kept))
                found.append(trial.run().validation_map)
            curves[rate] = np.mean(found, axis=0)
        except TrainingError:
            if number == len(rates) and not curves:
                raise
            context.accelerator.free_memory()
    rate = max(curves, key=lambda one: float(curves[one].max()))
    epoch = int(curves[rate].argmax())
    tried = {f"{one:g}": float(curves[one].max()) if one in curves else None for one in rates}
    note = f"lr {rate:g}, epoch {epoch + 1}: mAP of held-out labels {100 * curves[rate][epoch]:.1f}"
    context.progress(f"{journal.task}, held-out labels", 1, 1, note)
    return EpochChoice(rate, epoch, curves[rate].tolist(), tried)
