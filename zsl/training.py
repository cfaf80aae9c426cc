"""The training loop."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DataLoaderConfiguration, set_seed
from pydantic import Field
from timm.utils import ModelEmaV3
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from embeddings.errors import InputError, TrainingError
from embeddings.progress import Progress, silent
from zsl.config import Config
from zsl.data import Samples, batches_of, opened
from zsl.data.targets import Targets
from zsl.evaluation import score
from zsl.losses import LOSSES
from zsl.metrics import average_precision, mean_over_labels
from zsl.model import ZeroShotModel

Precision = Literal["auto", "no", "bf16", "fp16"]


class TrainConfig(Config):
    """Training of one model; `batch_size` is over all processes.

    `validation` is the share of the seen training data that picks the epoch. `ema` is the decay of the weights'
    moving average, which is what is validated and kept; 0 turns it off. `workers` decode images. `untagged_weight` is
    that of labels which nobody annotated, where annotations are partial: they count as negatives.
    """

    epochs: int = Field(40, ge=1)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(2e-4, gt=0)
    backbone_lr: float | None = Field(None, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    warmup: float = Field(0.2, gt=0, lt=1)
    loss: Literal["asymmetric", "bce"] = "asymmetric"
    gamma_neg: float = Field(4.0, ge=0)
    gamma_pos: float = Field(0.0, ge=0)
    margin: float = Field(0.05, ge=0, lt=1)
    untagged_weight: float = Field(1.0, ge=0, le=1)
    ema: float = Field(0.9997, ge=0, lt=1)
    validation: float = Field(0.1, gt=0, lt=1)
    precision: Precision = "auto"
    workers: int = Field(0, ge=0)
    seed: int = Field(0, ge=0, lt=2**31)


@dataclass
class History:
    """Epoch by epoch: mean training loss per image, seen validation mAP; and the best epoch's weights."""

    loss: list[float] = field(default_factory=list)
    validation_map: list[float] = field(default_factory=list)
    best_epoch: int = -1
    best_state: dict[str, Tensor] = field(default_factory=dict, repr=False)


def make_accelerator(precision: Precision) -> Accelerator:
    """Device, processes and precision; "auto" is bf16 where the hardware multiplies it, else float32."""
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16() else "no"
    # split_batches: the batch size of a config is the batch of one optimiser step, however many processes share it
    return Accelerator(mixed_precision=precision, dataloader_config=DataLoaderConfiguration(split_batches=True))


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return PartialState().is_main_process


def _multiplies_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    # torch 2.9 knows the same by private names
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


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


def fit(
    config: TrainConfig,
    model: ZeroShotModel,
    train: Samples,
    validation: Samples,
    vectors: Tensor | None,
    accelerator: Accelerator,
    progress: Progress = silent,
    task: str = "train",
) -> History:
    """Trains `model` on seen labels and leaves it with the weights of the best epoch by seen validation mAP.

    Args:
        train, validation: inputs and targets over the seen labels.
        vectors: (label, embed) of the seen labels.
    Raises:
        TrainingError: the loss is not finite.
        InputError: an input that cannot be read, a validation part without positives.
    """
    if not validation.targets.label_counts().any():
        raise InputError("the validation part holds no positive; raise train.validation")
    loss_of = LOSSES[config.loss]
    options = {"gamma_neg": config.gamma_neg, "gamma_pos": config.gamma_pos, "margin": config.margin}
    options = options if config.loss == "asymmetric" else {}
    set_seed(config.seed)
    groups = parameter_groups(model, config)
    optimizer = torch.optim.AdamW(groups, fused=True)  # decoupled: the "true" weight decay of the paper's code
    loader = batches_of(train, config.batch_size, shuffle=True, workers=config.workers)
    prepared, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    steps = config.epochs * len(loader)
    rates = [float(str(group["lr"])) for group in groups]
    # torch divides by the length of the rise, warmup * steps - 1
    rise = config.warmup * (1 + 1e-6) if math.isclose(config.warmup * steps, 1) else config.warmup
    schedule = OneCycleLR(optimizer.optimizer, rates, total_steps=steps, pct_start=rise)
    average = ModelEmaV3(model, decay=config.ema, use_warmup=True) if config.ema else None
    vectors = vectors if vectors is None else vectors.to(accelerator.device)
    partial = train.targets.partial
    history = History()
    for epoch in range(config.epochs):
        prepared.train()
        total = torch.zeros((), device=accelerator.device)
        for step, batch in enumerate(loader):
            inputs, targets = opened(batch)
            logits = prepared(inputs, vectors)
            weights = torch.where(targets == 0, config.untagged_weight, 1.0) if partial else None
            loss = loss_of(logits.float(), (targets > 0).float(), weights=weights, **options)
            # gradients are averaged over processes, the loss is a sum over images
            accelerator.backward(loss * accelerator.num_processes)
            optimizer.step()
            optimizer.zero_grad()
            done = epoch * len(loader) + step + 1
            if done < steps:
                schedule.step()
            if average is not None:
                average.update(model, step=done)
            total += loss.detach()
            if done % 10 == 0 and done < steps:
                progress(task, done, steps, f"epoch {epoch + 1}/{config.epochs}")
        mean_loss = accelerator.reduce(total).item() / len(train)
        if not math.isfinite(mean_loss):
            raise TrainingError(f"{task}: the loss is not finite in epoch {epoch + 1}; lower train.lr")
        candidate = model if average is None else average.module
        scores = score(candidate, validation, {"seen": vectors}, accelerator, config.batch_size, config.workers)["seen"]
        if not np.isfinite(scores).all():
            raise TrainingError(f"{task}: the weights are not finite after epoch {epoch + 1}; lower train.lr")
        history.loss.append(mean_loss)
        history.validation_map.append(mean_over_labels(_label_ap(scores, validation.targets)))
        progress(task, (epoch + 1) * len(loader), steps, _epoch_line(history, config.epochs))
        if history.validation_map[-1] >= max(history.validation_map):
            history.best_epoch = epoch
            history.best_state = {k: v.detach().cpu().clone() for k, v in candidate.state_dict().items()}
    model.load_state_dict(history.best_state)
    accelerator.free_memory()
    return history


def _label_ap(scores: np.ndarray, targets: Targets) -> np.ndarray:
    values = targets.dense()
    return average_precision(scores, values > 0, values != 0 if targets.partial else None)


def _epoch_line(history: History, epochs: int) -> str:
    return (
        f"epoch {len(history.loss)}/{epochs} loss {history.loss[-1]:.3f} "
        f"seen validation mAP {100 * history.validation_map[-1]:.1f}"
    )
