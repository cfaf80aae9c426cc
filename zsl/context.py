"""How work on a dataset runs: device and processes, batch size, workers, and progress."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator

from embeddings.io.progress import Progress, silent
from zsl.acceleration import make_accelerator
from zsl.config import Precision


@dataclass(frozen=True)
class Context:
    """What every pass over a dataset needs to know of the machine.

    Args:
        accelerator: device, processes and precision.
        batch_size: images per batch in scoring and in reading tokens; training has a batch size of its own.
        workers: processes that read images; 0 reads them in this process.
        progress: called with how far a task has come; only the main process calls it.
    """

    accelerator: Accelerator
    batch_size: int = 128
    workers: int = 0
    progress: Progress = silent

    def __post_init__(self) -> None:
        if not self.accelerator.is_main_process:
            object.__setattr__(self, "progress", silent)

    @classmethod
    def of(
        cls, precision: Precision = "auto", batch_size: int = 128, workers: int = 0, progress: Progress = silent
    ) -> "Context":
        """A context on this machine's device.

        Args:
            precision: of the arithmetic; "auto" is bf16 if the hardware computes in it, else float32.
            batch_size, workers, progress: same as for the class.
        Returns:
            the context.
        Raises:
            InputError: a precision that this machine lacks.
        """
        return cls(make_accelerator(precision), batch_size, workers, progress)

    @property
    def device(self) -> torch.device:
        """The device that tensors are computed on."""
        return self.accelerator.device

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files."""
        return bool(self.accelerator.is_main_process)

    @property
    def on_gpu(self) -> bool:
        """Whether a loader should copy batches into pinned memory, from which a GPU copies faster."""
        return self.device.type == "cuda"
