"""Learning rates that are tried in full, of which the best on seen validation is kept."""

from collections.abc import Callable, Sequence

from accelerate import Accelerator
from torch import Tensor

from embeddings.io.errors import TrainingError
from embeddings.io.progress import Progress, silent
from zsl.data.loading import Samples
from zsl.model import ZeroShotModel
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History
from zsl.training.loop import TrainConfig, Training

Watch = Callable[[History], None]


def train_at_best_rate(
    rates: Sequence[float],
    config: TrainConfig,
    model: ZeroShotModel,
    train: Samples,
    validation: Samples,
    vectors: Tensor | None,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    progress: Progress = silent,
    task: str = "train",
    watch: Watch | None = None,
) -> History:
    """Trains the model at each rate from the same initial weights; leaves it with the weights of the best.

    A rate whose loss does not stay finite is dropped. Of equally good rates the lowest is kept. Each rate has its own
    checkpoints, which stay until the caller removes them, so that a stopped run continues at the rate it had reached.

    Args:
        rates: in place of `config.lr`; of one alone, nothing is compared.
        watch: called with the history that is kept, at the end; of one rate alone, after every epoch.
        others: as of `zsl.training.loop.Training`.
    Returns:
        the history of the best, with the seen validation mAP of all.
    Raises:
        TrainingError: as of `Training.run`, if no rate keeps the loss finite.
    """

    def training(rate: float, kept: Checkpoints, title: str, told: Watch | None) -> Training:
        one = config.model_copy(update={"lr": rate})
        return Training(one, model, train, validation, vectors, accelerator, kept, progress, title, told)

    if len(rates) == 1:
        return training(rates[0], checkpoints, task, watch).run()
    initial = {name: value.detach().clone() for name, value in model.state_dict().items()}
    found: dict[float, History] = {}
    tried: dict[str, float | None] = {}
    for number, rate in enumerate(sorted(rates), 1):
        model.load_state_dict(initial)
        trial = training(rate, checkpoints.of(f"rate-{number}"), f"{task}, lr {rate:g}", None)
        try:
            found[rate] = trial.run()
            tried[f"{rate:g}"] = found[rate].best
        except TrainingError:
            if number == len(rates) and not found:
                raise
            accelerator.free_memory()
            tried[f"{rate:g}"] = None
    kept = max(found, key=lambda rate: found[rate].best)
    history = found[kept]
    history.tried, history.chosen = tried, {"train.lr": kept, "decoder.rates": [1.0]}
    model.load_state_dict(history.best_state)
    told = ", ".join(f"{rate} {'not finite' if best is None else f'{100 * best:.1f}'}" for rate, best in tried.items())
    progress(f"{task}, learning rates", 1, 1, f"{kept:g} is kept; seen validation mAP by rate: {told}")
    if watch is not None and accelerator.is_main_process:
        watch(history)
    return history
