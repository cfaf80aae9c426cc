"""Trains in full at several learning rates, and keeps the best on seen validation."""

from collections.abc import Sequence
from dataclasses import replace

from embeddings.io.errors import TrainingError
from zsl.context import Context
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.training.config import TrainConfig
from zsl.training.history import History
from zsl.training.journal import UNWATCHED, Journal
from zsl.training.loop import Training


def train_at_best_rate(
    rates: Sequence[float],
    config: TrainConfig,
    model: ZeroShotModel,
    seen: SeenSamples,
    context: Context,
    journal: Journal = UNWATCHED,
) -> History:
    """Trains the model at each rate from the same initial weights; leaves it with the weights of the best.

    A rate whose loss does not stay finite is dropped. Of equally good rates the lowest is kept. Each rate has its own
    checkpoints, which stay until the caller removes them, so that a stopped run continues at the rate it had reached.

    Args:
        rates: learning rates, in place of `config.lr`; a single one is trained without a comparison.
        config, model, seen, context: same as for `zsl.training.loop.Training`.
        journal: its `watch` is called once, with the history that is kept; with a single rate, after every epoch.
    Returns:
        the history of the best rate, with the seen validation mAP of every rate.
    Raises:
        TrainingError: same as for `Training.run`, if no rate keeps the loss finite.
    """
    if len(rates) == 1:
        return Training(config.model_copy(update={"lr": rates[0]}), model, seen, context, journal).run()
    found, tried = _histories(rates, config, model, seen, context, journal)
    kept = max(found, key=lambda rate: found[rate].best)
    history = found[kept]
    history.tried, history.chosen = tried, {"train.lr": kept, "decoder.rates": [1.0]}
    model.load_state_dict(history.best_state)
    told = ", ".join(f"{rate} {'not finite' if best is None else f'{100 * best:.1f}'}" for rate, best in tried.items())
    note = f"{kept:g} is kept; seen validation mAP by rate: {told}"
    context.progress(f"{journal.task}, learning rates", 1, 1, note)
    if journal.watch is not None and context.is_main:
        journal.watch(history)
    return history


def _histories(
    rates: Sequence[float],
    config: TrainConfig,
    model: ZeroShotModel,
    seen: SeenSamples,
    context: Context,
    journal: Journal,
) -> tuple[dict[float, History], dict[str, float | None]]:
    """The history of each rate whose loss stays finite, and the best validation mAP by rate (None for the others)."""
    initial = {name: value.detach().clone() for name, value in model.state_dict().items()}
    found: dict[float, History] = {}
    tried: dict[str, float | None] = {}
    for number, rate in enumerate(sorted(rates), 1):
        model.load_state_dict(initial)
        kept = journal.checkpoints and journal.checkpoints.of(f"rate-{number}")
        own = replace(journal, task=f"{journal.task}, lr {rate:g}", checkpoints=kept, watch=None)
        trial = Training(config.model_copy(update={"lr": rate}), model, seen, context, own)
        try:
            found[rate] = trial.run()
            tried[f"{rate:g}"] = found[rate].best
        except TrainingError:
            if number == len(rates) and not found:
                raise
            context.accelerator.free_memory()
            tried[f"{rate:g}"] = None
    return found, tried
