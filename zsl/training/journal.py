"""What a training reports and keeps while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History

Watch = Callable[[History], None]


@dataclass(frozen=True)
class Journal:
    """Where a training reports, and where its checkpoints are.

    Args:
        task: the name of the training in progress reports.
        checkpoints: where checkpoints are kept; if some exist, the training continues from the last one. None keeps
            none.
        watch: called with the history after every epoch, on the main process.
    """

    task: str = "train"
    checkpoints: Checkpoints | None = None
    watch: Watch | None = None


UNWATCHED = Journal()
