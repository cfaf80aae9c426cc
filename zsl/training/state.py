"""Everything that changes from step to step in training; this is what a checkpoint holds."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from embeddings.io.errors import InputError
from zsl.model import ZeroShotModel
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History

MOMENTS = ("exp_avg", "exp_avg_sq")
SCHEDULED = ("lr", "betas")  # the keys of an optimiser's groups that the schedule changes


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds beside its tensors: the steps done, and the loss since the epoch began."""

    done: int
    history: dict[str, Any]
    loss: float
    scaler: dict[str, Any] | None
    schedule: dict[str, Any]
    groups: list[dict[str, Any]]


@dataclass
class TrainingState:
    """Weights, moments, schedule and history.

    Args:
        model: the model that is trained.
        optimizer: Accelerate's wrapper of AdamW.
        schedule: of the learning rates.
        average: the moving average of the weights, if there is one.
        scaler: of gradients in half precision, if there is one.
        history: epoch by epoch.
        loss: the sum over this process's images since the epoch began.
        done: number of steps done, over all epochs.
    """

    model: ZeroShotModel
    optimizer: Any
    schedule: OneCycleLR
    average: Any
    scaler: Any
    history: History
    loss: Tensor
    done: int = 0

    @property
    def candidate(self) -> ZeroShotModel:
        """The model that is validated and kept: with averaged weights, if there is an average."""
        return self.model if self.average is None else self.average.module

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of a checkpoint, by name."""
        found = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        found |= {f"best.{name}": value for name, value in self.history.best_state.items()}
        if self.average is not None:
            found |= {f"average.{name}": value for name, value in self.average.module.state_dict().items()}
        for number, values in self.optimizer.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
        return found

    def values(self, loss: float) -> dict[str, Any]:
        """The rest of a checkpoint, `Saved`, given the loss of all processes since the epoch began."""
        saved = Saved(
            done=self.done,
            history=self.history.as_json(),
            loss=loss,
            scaler=None if self.scaler is None else self.scaler.state_dict(),
            schedule=self.schedule.state_dict(),
            groups=[{key: group[key] for key in SCHEDULED} for group in self.optimizer.param_groups],
        )
        return asdict(saved)

    def restore(self, checkpoints: Checkpoints, is_main: bool) -> None:
        """Loads the last checkpoint, if there is one.

        Args:
            checkpoints: where it is.
            is_main: whether this is the main process; only that one takes the checkpoint's loss, which is a sum over
                all processes.
        Raises:
            InputError: a checkpoint that is damaged or of another training.
        """
        found = checkpoints.load(Saved)
        if found is None:
            return
        try:
            self._take(*found, is_main)
        except Exception as error:  # the file is intact; on another model's weights, torch raises many kinds of errors
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{checkpoints.folder} holds another training's checkpoint ({reason}); remove it"
            ) from error

    def _take(self, tensors: dict[str, Tensor], saved: Saved, is_main: bool) -> None:
        self.model.load_state_dict(_of("model", tensors))
        if self.average is not None:
            self.average.module.load_state_dict(_of("average", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _of("optimizer", tensors).items():
            number, _, key = name.partition(".")
            moments.setdefault(int(number), {})[key] = value
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for place, kept in moments.items():
            # the fused optimiser requires the memory layout of the parameter
            for key in MOMENTS:
                kept[key] = torch.empty_like(parameters[place]).copy_(kept[key])
        groups = self.optimizer.optimizer.state_dict()["param_groups"]
        self.optimizer.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.history = History(**saved.history, best_state=_of("best", tensors))
        if is_main:
            self.loss += saved.loss
        if self.scaler is not None and saved.scaler:
            self.scaler.load_state_dict(saved.scaler)
        self.done = saved.done
        self.schedule.load_state_dict(saved.schedule)
        for group, scheduled in zip(self.optimizer.param_groups, saved.groups, strict=True):
            group.update(lr=scheduled["lr"], betas=tuple(scheduled["betas"]))


def _of(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(kind) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{kind}.")}


def averaged(model: ZeroShotModel, decay: float) -> Any:
    """timm's moving average of a model's weights."""
    from timm.utils import ModelEmaV3  # takes seconds, and trainings without an average do not need it

    return ModelEmaV3(model, decay=decay, use_warmup=True)
