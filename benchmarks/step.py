"""The training loop, compared with only forward, backward and the optimiser's step."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Annotated

import torch
import typer
from torch import Tensor

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from experiments.bench.harness import Figures, interleaved, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import load_config
from zsl.context import Context
from zsl.data.loading import SeenSamples, TrainingOrder
from zsl.losses.table import LOSSES
from zsl.model import ZeroShotModel
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig
from zsl.runs.source import open_source
from zsl.runs.training import readout_of
from zsl.training.loop import Training, parameter_groups


def command(
    config: Annotated[
        str, typer.Option(metavar="CONFIG", help="A recipe or a TOML file with a frozen backbone, or of tokens.")
    ] = "demo",
    settings: Settings = None,
    rounds: Annotated[int, typer.Option(min=1, help="Epochs of each side, in turn.")] = 7,
    out: Out = None,
) -> None:
    """Train, compared with only forward, backward and the optimiser's step."""
    measured(lambda progress: bench_step(load_config(config, settings or [], trains=True), rounds, progress), out)


def bench_step(config: RunConfig, rounds: int, progress: Progress) -> Figures:
    """Milliseconds a step of `Training` and of a bare loop, an epoch of each in turn, on a config's tokens in memory.

    Raises:
        InputError: a config whose backbone is not frozen.
    """
    config = _untrained(config)
    values = config.train.model_copy(update={"epochs": rounds + 1})
    context = Context.of(values.precision, progress=progress)
    accelerator, source = context.accelerator, open_source(config, context)
    bank = load_bank(config.bank, source.data)
    train, held = source.split(source.train)
    vectors = torch.from_numpy(bank.select(source.data.seen)).to(accelerator.device)
    model = ZeroShotModel(None, readout_of(source, bank))
    other = copy.deepcopy(model).to(accelerator.device)
    training = Training(values, model, SeenSamples(train, held, vectors), replace(context, progress=silent))
    optimizer = torch.optim.AdamW(parameter_groups(other, values), fused=True)
    inputs, targets = (
        train.part.inputs.read(train.rows).to(accelerator.device),
        torch.from_numpy(train.targets.dense()).to(accelerator.device, torch.float32),
    )
    loss_of = LOSSES[values.loss].of(values)

    def bare(order: TrainingOrder) -> None:
        other.train()
        for step in range(order.steps):
            rows = torch.from_numpy(order.batch(step)).to(accelerator.device)
            with accelerator.autocast():
                logits: Tensor = other(inputs[rows], vectors)
            loss: Tensor = loss_of(logits.float(), targets[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    order = TrainingOrder(len(train), values.batch_size, values.seed)
    sides: dict[str, Callable[[], None]] = {"bare loop": partial(bare, order), "zsl.training.loop": training.run_epoch}
    bare(order)  # the first calls prepare the kernels
    training.run_epoch()
    seconds = interleaved(sides, rounds, progress)
    middle = {side: median(times) for side, times in seconds.items()}
    rows = [
        [side, f"{1000 * time / order.steps:.2f}", f"{len(train) / time:,.0f}", f"{time / middle['bare loop']:.3f}"]
        for side, time in middle.items()
    ]
    title = f"Training on {len(train):,} images' tokens, batches of {values.batch_size}, {accelerator.mixed_precision}"
    record = {"steps": order.steps, "images": len(train), "seconds": seconds, "machine": machine()}
    return Figures(f"{title}; median of {rounds} epochs", ["", "ms/step", "images/s", "ratio"], rows, record)


def _untrained(config: RunConfig) -> RunConfig:
    """The config without the training of its frozen backbone: the content of the tokens does not matter."""
    if config.backbone is None:
        return config
    if config.backbone.mode != "frozen" or not config.backbone.cached:
        raise InputError("this benchmark is for tokens in memory: a frozen backbone, or a dataset of tokens")
    return config.model_copy(update={"backbone": config.backbone.model_copy(update={"pretrain": None})})
