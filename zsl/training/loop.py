"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import broadcast, send_to_device, set_seed
from pydantic import Field, model_validator
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from embeddings.io.errors import InputError, TrainingError
from embeddings.io.progress import Progress, silent
from zsl.acceleration import Precision
from zsl.config import Config
from zsl.data.loading import Batch, Samples, TrainingOrder, batches_of, mixed, opened
from zsl.model import ZeroShotModel
from zsl.scoring import SPOILT, score
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History, chance_of, validation_map
from zsl.training.losses import LOSSES

CHECK = 10  # steps between looks at the loss
NAMED = 8
MOMENTS = ("exp_avg", "exp_avg_sq")
SCHEDULED = ("lr", "betas")  # of an optimiser's groups, what the schedule changes


class TrainConfig(Config):
    """Training of one model; `batch_size` is over all processes.

    `validation` is the share of the seen training data that picks the epoch. `ema` is the decay of the weights'
    moving average, which is what is validated and kept; 0 turns it off. `workers` decode images. `accumulate` pieces
    of a batch are gone through one after another, with the gradients of the whole. `clip` is the norm that gradients
    are cut to. `untagged_weight` is that of labels which nobody annotated, where annotations are partial: they count
    as negatives. `random_queries`: so many random vectors a piece are labels that no image has (appendix J's "noise").
    `checkpoint_steps` between checkpoints, 0 for one an epoch. `trackers` are Accelerate's, by name.
    """

    epochs: int = Field(40, ge=1)
    batch_size: int = Field(64, ge=1)
    accumulate: int = Field(1, ge=1)
    lr: float = Field(2e-4, gt=0)
    backbone_lr: float | None = Field(None, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.2, gt=0, lt=1)
    clip: float | None = Field(None, gt=0)
    loss: Literal["asymmetric", "bce", "focal", "softmax", "ranking"] = "asymmetric"
    gamma_neg: float = Field(4.0, ge=0)
    gamma_pos: float = Field(0.0, ge=0)
    margin: float = Field(0.05, ge=0, lt=1)
    focal_gamma: float = Field(2.0, ge=0)
    untagged_weight: float = Field(1.0, ge=0, le=1)
    random_queries: int = Field(0, ge=0)
    ema: float = Field(0.9997, ge=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    precision: Precision = "auto"
    compile: bool = False
    workers: int = Field(0, ge=0)
    seed: int = Field(0, ge=0, lt=2**31)
    checkpoint_steps: int = Field(0, ge=0)
    trackers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pieces_of_images(self) -> "TrainConfig":
        if self.accumulate > self.batch_size:
            told = f"train.accumulate = {self.accumulate} is more than train.batch_size = {self.batch_size}"
            raise ValueError(f"{told}; a piece of a batch has one image at least")
        return self

    def loss_options(self) -> dict[str, float]:
        """What the chosen loss takes."""
        return {
            "asymmetric": {"gamma_neg": self.gamma_neg, "gamma_pos": self.gamma_pos, "margin": self.margin},
            "focal": {"gamma": self.focal_gamma},
        }.get(self.loss, {})


@dataclass(frozen=True)
class State:
    """What a checkpoint holds beside its tensors: the steps done, and the loss since the epoch began."""

    done: int
    history: dict[str, Any]
    loss: float
    scaler: dict[str, Any] | None
    schedule: dict[str, Any]
    groups: list[dict[str, Any]]


def parameter_groups(model: ZeroShotModel, config: TrainConfig) -> list[dict[str, object]]:
    """Decay on weights only: biases, norms and other vectors have none; the backbone may have its own rate."""
    groups: list[dict[str, object]] = []
    for module, lr in ((model.backbone, config.backbone_lr or config.lr), (model.readout, config.lr)):
        parameters = [p for p in module.parameters() if p.requires_grad] if module is not None else []
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": lr, "weight_decay": decay})
    return groups


def averaged(model: ZeroShotModel, decay: float) -> Any:
    """timm's moving average of a model's weights."""
    from timm.utils import ModelEmaV3  # takes seconds, which trainings without an average need not wait for

    return ModelEmaV3(model, decay=decay, use_warmup=True)


class Training:
    """One model's training, which can be stopped after any step and gone on with to the same end, bit for bit.

    Random numbers follow from the seed and the step; see `zsl.data.loading` for the order of images.

    Args:
        model: trained in place.
        train, validation: inputs and targets over the seen labels.
        vectors: (label, embed) of the seen labels.
        watch: called with the history after every epoch, on the main process.
        checkpoints: where to keep what going on needs; an earlier training's are gone on with.
        task: what progress is told of.
    Raises:
        InputError: a validation part without positives, a damaged checkpoint.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: ZeroShotModel,
        train: Samples,
        validation: Samples,
        vectors: Tensor | None,
        accelerator: Accelerator,
        checkpoints: Checkpoints | None = None,
        progress: Progress = silent,
        task: str = "train",
        watch: Callable[[History], None] | None = None,
    ):
        if not validation.targets.label_counts().any():
            raise InputError("the validation part holds no positive; raise train.validation")
        self.partial = train.part.targets.partial
        if config.loss == "softmax" and self.partial:
            raise InputError("train.loss = 'softmax' needs whole annotations; these are partial")
        self.config, self.model, self.train, self.validation = config, model, train, validation
        self.accelerator, self.checkpoints, self.progress, self.task = accelerator, checkpoints, progress, task
        self.watch = watch
        self.vectors = vectors if vectors is None else vectors.to(accelerator.device)
        if config.random_queries and self.vectors is None:
            raise InputError("train.random_queries are random word vectors: give decoder.query or head = 'text'")
        processes, process = accelerator.num_processes, accelerator.process_index
        self.order = TrainingOrder(len(train), config.batch_size, config.seed, processes, process, config.accumulate)
        self.loader = batches_of(train, self.order, config.workers, accelerator.device.type == "cuda")
        model.readout.remember(vectors)
        set_seed(config.seed)
        groups = parameter_groups(model, config)
        if not groups:
            raise InputError(f"{type(model.readout).__name__} has nothing to train; its decoder.kind is solved")
        # decoupled: the paper's "true weight decay"; its released code has Adam's own
        self.prepared, self.optimizer = accelerator.prepare(model, torch.optim.AdamW(groups, fused=True))
        if accelerator.scaler is not None:  # as if there had been no training before
            accelerator.scaler.load_state_dict(torch.amp.GradScaler(accelerator.device.type).state_dict())
        if config.compile:
            torch._dynamo.reset()  # it gives up on a module of which it has compiled eight kinds
            self.prepared = torch.compile(self.prepared)
        self.total = config.epochs * self.order.steps
        rates = [float(str(group["lr"])) for group in groups]
        # torch divides by the length of the rise, warmup * steps - 1
        rise = config.warmup * (1 + 1e-6) if math.isclose(config.warmup * self.total, 1) else config.warmup
        self.schedule = OneCycleLR(self.optimizer.optimizer, rates, total_steps=self.total, pct_start=rise)
        self.average = averaged(model, config.ema) if config.ema else None
        self.history = History(chance=chance_of(validation.targets))
        self.done = 0
        self.loss = torch.zeros((), device=accelerator.device)
        self.unchecked: list[tuple[int, Tensor]] = []
        if checkpoints is not None:
            self._restore(checkpoints)

    def run(self) -> History:
        """Trains to the end and leaves the model with the weights of the best epoch by seen validation mAP.

        Raises:
            TrainingError: the loss or the weights are not finite.
            InputError: an input that cannot be read.
        """
        while self.done < self.total:
            self.run_epoch()
            self._end_epoch()
        self.model.load_state_dict(self.history.best_state)
        self.accelerator.free_memory()
        return self.history

    def run_epoch(self) -> None:
        """The steps that are left of an epoch."""
        epoch, first = divmod(self.done, self.order.steps)
        self.order.begin(epoch, first)
        self.prepared.train()
        batches = iter(self.loader)
        started, images = time.perf_counter(), 0
        for step in range(first, self.order.steps):
            self._step(step, batches)
            images += len(self.order.batch(step))
            self.done += 1
            last = self.done == self.total
            if not last:
                self.schedule.step()
            if self.done % CHECK == 0 or step + 1 == self.order.steps:
                self._check()
            if self.done % CHECK == 0 and not last:
                speed = images / (time.perf_counter() - started)
                self._tell(f"epoch {epoch + 1}/{self.config.epochs} {self._course(step + 1)} {speed:,.0f} images/s")
            every = self.checkpoints.steps if self.checkpoints is not None else 0
            if every and self.done % every == 0 and step + 1 < self.order.steps:
                self._check()
                self._save()

    def _step(self, step: int, batches: Iterator[Batch]) -> None:
        """One step of the optimiser, over all pieces of its batch."""
        pieces = self.config.accumulate
        total = torch.zeros_like(self.loss)
        for piece in range(pieces):
            inputs, targets = send_to_device(opened(next(batches)), self.accelerator.device, non_blocking=True)
            torch.manual_seed(int(mixed(self.config.seed, self.done, self.accelerator.process_index, piece)[0]))
            waiting = self.accelerator.no_sync(self.prepared) if piece + 1 < pieces else nullcontext()
            with waiting:
                loss = self._loss(inputs, targets)
                if not self.order.counts(step, piece):
                    loss = loss * 0
                # gradients are averaged over processes, the loss is a sum over images
                self.accelerator.backward(loss * self.accelerator.num_processes)
            total += loss.detach()
        self.loss += total
        self.unchecked.append((step, total))
        if self.config.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(self.model, step=self.done + 1)

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        vectors = self.vectors
        if self.config.random_queries and vectors is not None:
            noise = torch.randn(self.config.random_queries, vectors.shape[1], device=vectors.device)
            vectors = torch.cat([vectors, noise * vectors.square().mean().sqrt()])
            targets = F.pad(targets, (0, self.config.random_queries), value=-1 if self.partial else 0)
        logits = self.prepared(inputs, vectors)
        options: dict[str, Any] = dict(self.config.loss_options())
        if self.partial:
            options["weights"] = torch.where(targets == 0, self.config.untagged_weight, 1.0)
        return LOSSES[self.config.loss](logits.float(), (targets > 0).float(), **options)

    def _check(self) -> None:
        """Looks at the losses since the last look, which makes a GPU wait."""
        if not self.unchecked:
            return
        # of all processes, which so stop at once
        losses = self.accelerator.reduce(torch.stack([loss for _, loss in self.unchecked]))
        for (step, _), finite in zip(self.unchecked, torch.isfinite(losses).tolist(), strict=True):
            if not finite:
                names = self.train.names(self.order.batch(step))
                shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
                place = "" if self.checkpoints is None else f"; {self.checkpoints.place()}"
                when = f"step {step + 1} of epoch {self.order.epoch + 1}, with {shown}"
                begun = self.order.epoch > 0 or step > 0
                remedy = f"lower train.lr, or set train.clip{place}" if begun else f"before any step: {SPOILT}"
                raise TrainingError(f"{self.task}: the loss is not finite at {when}; {remedy}")
        self.unchecked = []

    def _course(self, step: int) -> str:
        images = min(step * self.config.batch_size, len(self.train)) / self.accelerator.num_processes
        return f"loss {self.loss.item() / images:.3f} lr {self.schedule.get_last_lr()[-1]:.1e}"

    def _tell(self, note: str) -> None:
        self.progress(self.task, self.done, self.total, note)
        if self.config.trackers:
            step = self.done % self.order.steps
            images = (step or self.order.steps) * self.config.batch_size / self.accelerator.num_processes
            values = {"loss": self.loss.item() / images, "lr": self.schedule.get_last_lr()[-1]}
            self.accelerator.log({f"{self.task}/{name}": value for name, value in values.items()}, step=self.done)

    def _end_epoch(self) -> None:
        """Validates the epoch, keeps it if it is the best, and writes a checkpoint."""
        config, history = self.config, self.history
        candidate = self.model if self.average is None else self.average.module
        for buffer in [*self.model.buffers(), *candidate.buffers()]:  # a running mean is of a process's own images
            broadcast(buffer)
        vectors, size, softmax = {"seen": self.vectors}, config.batch_size, config.loss == "softmax"
        scores = score(candidate, self.validation, vectors, self.accelerator, size, config.workers, softmax=softmax)[
            "seen"
        ]
        if not np.isfinite(scores).all():
            raise TrainingError(
                f"{self.task}: the weights are not finite after epoch {len(history.loss) + 1}; lower train.lr"
            )
        history.loss.append(float(self.accelerator.reduce(self.loss)) / len(self.train))
        history.lr.append(float(self.schedule.get_last_lr()[-1]))
        history.validation_map.append(validation_map(scores, self.validation.targets))
        if history.validation_map[-1] >= max(history.validation_map):
            history.best_epoch = len(history.loss) - 1
            history.best_state = {k: v.detach().cpu().clone() for k, v in candidate.state_dict().items()}
        self._tell(
            f"epoch {len(history.loss)}/{config.epochs} loss {history.loss[-1]:.3f} "
            f"seen validation mAP {100 * history.validation_map[-1]:.1f}"
        )
        if self.config.trackers:
            self.accelerator.log({f"{self.task}/seen validation mAP": history.validation_map[-1]}, step=self.done)
        if self.watch is not None and self.accelerator.is_main_process:
            self.watch(history)
        self.loss = torch.zeros_like(self.loss)
        self._save()

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        loss = self.accelerator.reduce(self.loss.clone())  # of all processes, since the epoch began
        if self.accelerator.is_main_process:
            tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
            tensors |= {f"best.{name}": value for name, value in self.history.best_state.items()}
            if self.average is not None:
                tensors |= {f"average.{name}": value for name, value in self.average.module.state_dict().items()}
            for number, values in self.optimizer.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
            spoilt = next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None)
            if spoilt is not None:
                when = f"after step {self.done}; {self.checkpoints.place()}"
                raise TrainingError(f"{self.task}: {spoilt} is not finite {when}; lower train.lr, or set train.clip")
            scaler = self.accelerator.scaler
            state = State(
                done=self.done,
                history=self.history.as_json(),
                loss=loss.item(),
                scaler=None if scaler is None else scaler.state_dict(),
                schedule=self.schedule.state_dict(),
                groups=[{key: group[key] for key in SCHEDULED} for group in self.optimizer.param_groups],
            )
            self.checkpoints.save(tensors, asdict(state))
        self.accelerator.wait_for_everyone()

    def _restore(self, checkpoints: Checkpoints) -> None:
        found = checkpoints.load(State)
        if found is None:
            return
        tensors, state = found

        def of(kind: str) -> dict[str, Tensor]:
            return {name[len(kind) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{kind}.")}

        try:
            self.model.load_state_dict(of("model"))
            if self.average is not None:
                self.average.module.load_state_dict(of("average"))
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in of("optimizer").items():
                number, _, key = name.partition(".")
                moments.setdefault(int(number), {})[key] = value
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            for place, kept in moments.items():
                # in the memory layout of the parameter, which the fused optimiser goes by
                for key in MOMENTS:
                    kept[key] = torch.empty_like(parameters[place]).copy_(kept[key])
            groups = self.optimizer.optimizer.state_dict()["param_groups"]
            self.optimizer.optimizer.load_state_dict({"state": moments, "param_groups": groups})
            self.history = History(**state.history, best_state=of("best"))
            if self.accelerator.is_main_process:
                self.loss += state.loss
            if self.accelerator.scaler is not None and state.scaler:
                self.accelerator.scaler.load_state_dict(state.scaler)
            self.done = state.done
            self.schedule.load_state_dict(state.schedule)
            for group, scheduled in zip(self.optimizer.param_groups, state.groups, strict=True):
                group.update(lr=scheduled["lr"], betas=tuple(scheduled["betas"]))
        except Exception as error:  # the file is whole, but torch raises many kinds where it is another model's
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{checkpoints.folder} holds another training's checkpoint ({reason}); remove it"
            ) from error
