"""What a training reports and keeps while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History

Watch = Callable[[History], None]


@dataclass(frozen=True)
class Journal:
    """Who hears of a training, and where its checkpoints are.

    Args:
        task: what progress calls the training.
        checkpoints: where to keep what continuing needs; a training that finds some there continues from the last. None
            keeps nothing.
        watch: called with the history after every epoch, on the main process.
    """

    task: str = "train"
    checkpoints: Checkpoints | None = None
    watch: Watch | None = None


UNWATCHED = Journal()
