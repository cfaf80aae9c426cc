"""The training loop."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from accelerate.utils import broadcast, send_to_device, set_seed
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from embeddings.io.errors import InputError, TrainingError
from embeddings.io.progress import silent
from zsl.context import Context
from zsl.data.loading import Batch, SeenSamples, TrainingOrder, batches_of, mixed, opened
from zsl.losses.table import LOSSES
from zsl.model import ZeroShotModel
from zsl.scoring import SPOILT, score
from zsl.training.config import CHANGED, TrainConfig
from zsl.training.history import History, chance_of, validation_map
from zsl.training.journal import UNWATCHED, Journal
from zsl.training.state import TrainingState, averaged
from zsl.training.step_labels import step_labels

CHECK = 10  # steps between checks that the loss is finite
NAMED = 8  # images that a message names


def parameter_groups(model: ZeroShotModel, config: TrainConfig) -> list[dict[str, object]]:
    """Parameter groups: only weights decay, not biases, norms and other vectors; the backbone may have its own rate."""
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


class Training:
    """One model's training, which can be stopped after any step and continued to the same end, bit for bit.

    Random numbers follow from the seed and the step; see `zsl.data.loading` for the order of images.

    Args:
        config: `[train]`.
        model: trained in place.
        seen: training and validation samples, and the word vectors of the seen labels.
        context: device, processes, workers and progress.
        journal: the task's name, checkpoints, and a function to call after each epoch.
        keep: the epoch to keep, counted from 0, with which the training ends; None keeps that of the best validation
            mAP.
    Raises:
        InputError: a validation part without positives, a loss that needs complete annotations, a readout with nothing
            to train, a damaged checkpoint.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: ZeroShotModel,
        seen: SeenSamples,
        context: Context,
        journal: Journal = UNWATCHED,
        keep: int | None = None,
    ):
        self.keep = keep
        self.config, self.model, self.seen, self.journal = config, model, seen, journal
        self.context = replace(context, batch_size=config.batch_size, workers=config.workers)
        self.accelerator = context.accelerator
        self.partial = seen.train.part.targets.partial
        self.vectors = seen.vectors if seen.vectors is None else seen.vectors.to(context.device)
        held = seen.held_out
        self.validation = seen.validation if held is None else held.validation
        self.asked = self.vectors if held is None else held.vectors.to(context.device)
        self.measured = f"{'seen' if held is None else 'held-out'} validation mAP"
        self._check_config()
        model.softmax = LOSSES[config.loss].exclusive
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        images = len(seen.train)
        self.order = TrainingOrder(images, config.batch_size, config.seed, processes, process, config.accumulate)
        self.loader = batches_of(seen.train, self.order, config.workers, context.on_gpu)
        self.total = config.epochs * self.order.steps
        model.readout.remember(seen.vectors)
        set_seed(config.seed)
        self.state = self._begin()
        self.unchecked: list[tuple[int, Tensor]] = []
        if journal.checkpoints is not None:
            self.state.restore(journal.checkpoints, context.is_main)

    def _check_config(self) -> None:
        if not self.validation.targets.label_counts().any():
            raise InputError("the validation part holds no positive; raise train.validation")
        if LOSSES[self.config.loss].exclusive and self.partial:
            raise InputError(f"train.loss = {self.config.loss!r} needs complete annotations; these are partial")
        changed = next((key for key in CHANGED if getattr(self.config, key)), None)
        if changed is not None and self.vectors is None:
            raise InputError(f"train.{changed} changes word vectors: give decoder.query or head = 'text'")

    def _begin(self) -> TrainingState:
        """Makes the state before the first step, and prepares the model for the processes."""
        config, model, accelerator = self.config, self.model, self.accelerator
        groups = parameter_groups(model, config)
        if not groups:
            raise InputError(f"{type(model.readout).__name__} has nothing to train; its decoder.kind is solved")
        # AdamW's decoupled decay is the paper's "true weight decay"; its released code uses that of Adam
        self.prepared, self.optimizer = accelerator.prepare(model, torch.optim.AdamW(groups, fused=True))
        if accelerator.scaler is not None:  # reset: an earlier training may have used it
            accelerator.scaler.load_state_dict(torch.amp.GradScaler(accelerator.device.type).state_dict())
        if config.compile:
            torch._dynamo.reset()  # torch stops compiling a module after eight variants
            self.prepared = torch.compile(self.prepared)
        rates = [float(str(group["lr"])) for group in groups]
        # torch divides by the length of the rise, warmup * steps - 1, which must not be 0
        rise = config.warmup * (1 + 1e-6) if math.isclose(config.warmup * self.total, 1) else config.warmup
        return TrainingState(
            model=model,
            optimizer=self.optimizer,
            schedule=OneCycleLR(self.optimizer.optimizer, rates, total_steps=self.total, pct_start=rise),
            average=averaged(model, config.ema) if config.ema else None,
            scaler=accelerator.scaler,
            history=History(chance=chance_of(self.validation.targets)),
            loss=torch.zeros((), device=accelerator.device),
        )

    def run(self) -> History:
        """Trains to the end and leaves the model with the weights of the epoch that is kept.

        Raises:
            TrainingError: the loss or the weights are not finite.
            InputError: an input that cannot be read.
        """
        end = self.total if self.keep is None else (self.keep + 1) * self.order.steps
        while self.state.done < end:
            self.run_epoch()
            self._end_epoch()
        self.model.load_state_dict(self.state.history.best_state)
        self.accelerator.free_memory()
        return self.state.history

    def run_epoch(self) -> None:
        """Trains the remaining steps of an epoch."""
        state, checkpoints = self.state, self.journal.checkpoints
        epoch, first = divmod(state.done, self.order.steps)
        self.order.begin(epoch, first)
        self.prepared.train()
        batches = iter(self.loader)
        started, images = time.perf_counter(), 0
        for step in range(first, self.order.steps):
            self._step(step, batches)
            images += len(self.order.batch(step))
            state.done += 1
            last = state.done == self.total
            if not last:
                state.schedule.step()
            if state.done % CHECK == 0 or step + 1 == self.order.steps:
                self._check()
            if state.done % CHECK == 0 and not last:
                speed = images / (time.perf_counter() - started)
                self._tell(f"epoch {epoch + 1}/{self.config.epochs} {self._course(step + 1)} {speed:,.0f} images/s")
            every = checkpoints.steps if checkpoints is not None else 0
            if every and state.done % every == 0 and step + 1 < self.order.steps:
                self._check()
                self._save()

    def _step(self, step: int, batches: Iterator[Batch]) -> None:
        """One step of the optimiser, over all pieces of its batch."""
        state, pieces = self.state, self.config.accumulate
        total = torch.zeros_like(state.loss)
        for piece in range(pieces):
            inputs, targets = send_to_device(opened(next(batches)), self.context.device, non_blocking=True)
            torch.manual_seed(int(mixed(self.config.seed, state.done, self.accelerator.process_index, piece)[0]))
            waiting = self.accelerator.no_sync(self.prepared) if piece + 1 < pieces else nullcontext()
            with waiting:
                loss = self._loss(inputs, targets)
                if not self.order.counts(step, piece):
                    loss = loss * 0
                # Accelerate averages gradients over processes, but the loss is a sum over images
                self.accelerator.backward(loss * self.accelerator.num_processes)
            total += loss.detach()
        state.loss += total
        self.unchecked.append((step, total))
        if self.config.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if state.average is not None:
            state.average.update(self.model, step=state.done + 1)

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        vectors = self.vectors
        if vectors is not None:
            vectors, targets = step_labels(self.config, vectors, targets, self.partial)
        logits = self.prepared(inputs, vectors)
        weights = torch.where(targets == 0, self.config.untagged_weight, 1.0) if self.partial else None
        return LOSSES[self.config.loss].of(self.config)(logits.float(), (targets > 0).float(), weights=weights)

    def _end_epoch(self) -> None:
        """Validates the epoch, keeps it if it is the best, and writes a checkpoint."""
        state, history = self.state, self.state.history
        scores = self._validation_scores()
        history.loss.append(float(self.accelerator.reduce(state.loss)) / len(self.seen.train))
        history.lr.append(float(state.schedule.get_last_lr()[-1]))
        history.validation_map.append(validation_map(scores, self.validation.targets))
        if self.keep is not None or history.validation_map[-1] >= max(history.validation_map):
            history.best_epoch = len(history.loss) - 1
            history.best_state = {k: v.detach().cpu().clone() for k, v in state.candidate.state_dict().items()}
        self._tell(
            f"epoch {len(history.loss)}/{self.config.epochs} loss {history.loss[-1]:.3f} "
            f"{self.measured} {100 * history.validation_map[-1]:.1f}"
        )
        if self.config.trackers:
            named = {f"{self.journal.task}/{self.measured}": history.validation_map[-1]}
            self.accelerator.log(named, step=state.done)
        if self.journal.watch is not None and self.context.is_main:
            self.journal.watch(history)
        state.loss = torch.zeros_like(state.loss)
        self._save()

    def _validation_scores(self) -> np.ndarray:
        """Scores of the validation images, with the weights that would be kept.

        Raises:
            TrainingError: a score is not finite.
        """
        candidate = self.state.candidate
        for buffer in [*self.model.buffers(), *candidate.buffers()]:  # each process has its own running means
            broadcast(buffer)
        quiet = replace(self.context, progress=silent)
        scores = score(candidate, self.validation, {"asked": self.asked}, quiet)["asked"]
        if not np.isfinite(scores).all():
            epoch = len(self.state.history.loss) + 1
            raise TrainingError(f"{self.journal.task}: the weights are not finite after epoch {epoch}; lower train.lr")
        return scores

    def _check(self) -> None:
        """Checks that the losses since the last check are finite; this makes a GPU wait."""
        if not self.unchecked:
            return
        # summed over all processes, so that they stop at the same step
        losses = self.accelerator.reduce(torch.stack([loss for _, loss in self.unchecked]))
        for (step, _), finite in zip(self.unchecked, torch.isfinite(losses).tolist(), strict=True):
            if not finite:
                raise TrainingError(self._not_finite(step))
        self.unchecked = []

    def _not_finite(self, step: int) -> str:
        """The message about a loss that is not finite: at which step, with which images, and what to do."""
        names = self.seen.train.names(self.order.batch(step))
        shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        checkpoints = self.journal.checkpoints
        place = "" if checkpoints is None else f"; {checkpoints.place()}"
        when = f"step {step + 1} of epoch {self.order.epoch + 1}, with {shown}"
        begun = self.order.epoch > 0 or step > 0
        remedy = f"lower train.lr, or set train.clip{place}" if begun else f"before any step: {SPOILT}"
        return f"{self.journal.task}: the loss is not finite at {when}; {remedy}"

    def _course(self, step: int) -> str:
        images = min(step * self.config.batch_size, len(self.seen.train)) / self.accelerator.num_processes
        return f"loss {self.state.loss.item() / images:.3f} lr {self.state.schedule.get_last_lr()[-1]:.1e}"

    def _tell(self, note: str) -> None:
        state, task = self.state, self.journal.task
        self.context.progress(task, state.done, self.total, note)
        if self.config.trackers:
            step = state.done % self.order.steps
            images = (step or self.order.steps) * self.config.batch_size / self.accelerator.num_processes
            values = {"loss": state.loss.item() / images, "lr": state.schedule.get_last_lr()[-1]}
            self.accelerator.log({f"{task}/{name}": value for name, value in values.items()}, step=state.done)

    def _save(self) -> None:
        """Writes a checkpoint, if the journal keeps any.

        Raises:
            TrainingError: a tensor is not finite; the last checkpoint is kept.
        """
        state, checkpoints = self.state, self.journal.checkpoints
        if checkpoints is None:
            return
        loss = self.accelerator.reduce(state.loss.clone())  # summed over all processes, since the epoch began
        if self.context.is_main:
            tensors = state.tensors()
            spoilt = next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None)
            if spoilt is not None:
                told = f"{self.journal.task}: {spoilt} is not finite after step {state.done}; {checkpoints.place()}"
                raise TrainingError(f"{told}; lower train.lr, or set train.clip")
            checkpoints.save(tensors, state.values(loss.item()))
        self.accelerator.wait_for_everyone()
