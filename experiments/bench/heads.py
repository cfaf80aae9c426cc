"""Throughput of classification heads by number of classes, as in the paper's Tables 9 and 12."""

from collections.abc import Callable
from functools import partial
from itertools import product
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.costs import EMBED, HEADS, backbone_cost, head_cost
from experiments.bench.harness import Figures, Measured, interleaved, machine
from zsl.acceleration import make_accelerator
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.config import Config
from zsl.losses.asymmetric import asymmetric_loss

WARM_UP = 2
PAPER_FIGURES = ("training, images/s", "inference, images/s", "largest batch", "G MAC")
UNCOUNTED = ("32-bit index", "canUse32BitIndexMath", "INT_MAX", "CUDNN_STATUS_NOT_SUPPORTED")  # in torch's messages
PAPER_SHARE = 0.8  # of the largest batch: where the paper measured


class HeadBench(Config):
    """What is measured.

    `alone`: the heads get ready tokens, without the backbone. `batch_size`: images of a batch in training and in
    inference; 0 is 80 % of each head's largest training batch, as in the paper, which needs a GPU.
    """

    backbone: str = "tresnet_m"
    image_size: int = Field(224, ge=16)
    classes: tuple[PositiveInt, ...] = Field((100, 1000, 5000), min_length=1)
    heads: tuple[str, ...] = Field(tuple(HEADS), min_length=1)
    batch_size: int = Field(8, ge=0)
    rounds: PositiveInt = 10
    alone: bool = False
    compiled: bool = False

    @property
    def as_published(self) -> bool:
        """Whether the paper has figures of this setup."""
        return (self.backbone, self.image_size, self.alone) == ("tresnet_m", 224, False)


class _Body:
    """The backbone that all heads share, with an optimiser of its own; or, if heads are measured alone, tokens."""

    def __init__(self, bench: HeadBench, device: torch.device):
        backbone = Backbone(BackboneConfig(name=bench.backbone))
        self.tokens, self.channels = backbone.eval().shape(bench.image_size)
        self.image_size, self.device = bench.image_size, device
        self.backbone = None if bench.alone else backbone.to(device)
        self.optimizer = None if bench.alone else torch.optim.AdamW(backbone.parameters(), fused=True)

    def inputs(self, batch: int) -> Tensor:
        if self.backbone is None:
            return torch.randn(batch, self.tokens, self.channels, device=self.device)
        shape = (batch, 3, self.image_size, self.image_size)
        return torch.randint(0, 256, shape, dtype=torch.uint8, device=self.device)


class _Side:
    """One head at one number of classes on the shared body: a step of training, a batch of inference."""

    def __init__(self, bench: HeadBench, body: _Body, name: str, classes: int, accelerator: Accelerator):
        torch.manual_seed(0)
        self.body, self.accelerator, self.classes = body, accelerator, classes
        self.head = HEADS[name].make(body.channels, classes).to(body.device)
        self.vectors = torch.randn(classes, EMBED, device=body.device)
        self.optimizer = torch.optim.AdamW(self.head.parameters(), fused=True)
        self.model = nn.Sequential() if body.backbone is None else nn.Sequential(body.backbone)
        self.forward = torch.compile(self._logits) if bench.compiled else self._logits
        self.compiled = bench.compiled
        self.bound: Callable[[Tensor], Tensor] | None = None

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.head(self.model(inputs), self.vectors)

    def train(self, inputs: Tensor) -> None:
        """A step of training; queries and weights that the head computes are computed in it."""
        self.model.train()
        self.head.train()
        targets = torch.zeros(len(inputs), self.classes, device=inputs.device)
        targets[:, 0] = 1
        with self.accelerator.autocast():
            logits = self.forward(inputs)
        asymmetric_loss(logits.float(), targets).backward()
        for optimizer in (self.body.optimizer, self.optimizer):
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
        self.bound = None
        self._wait()

    @torch.inference_mode()
    def predict(self, inputs: Tensor) -> None:
        """Logits of a batch; what depends on the classes alone is computed once, before."""
        self.model.eval()
        self.head.eval()
        with self.accelerator.autocast():
            if self.bound is None:
                bound = self.head.bind(self.vectors)
                self.bound = torch.compile(bound) if self.compiled else bound
            self.bound(self.model(inputs))
        self._wait()

    def _wait(self) -> None:
        if self.body.device.type == "cuda":
            torch.cuda.synchronize()


def too_large(error: RuntimeError) -> bool:
    """Whether a step failed because its batch is too large: for memory, or for kernels that count to 2^31."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in UNCOUNTED)


def largest_batch(step: Callable[[int], None], start: int = 8) -> int:
    """The largest batch that a step takes, to within 3 %, found by doubling and halving; 0 if it takes none.

    Args:
        step: runs one step with this many images.
        start: the first batch that is tried; the others are multiples of it.
    """
    fits, fails = 0, 0
    size = start
    while not fails or fails - fits > max(start, fits // 32):
        try:
            step(size)
            fits = size
        except RuntimeError as error:
            if not too_large(error):
                raise
            fails = size
            torch.cuda.empty_cache()
        size = (fits + fails) // 2 // start * start if fails else 2 * fits
    return fits


def bench_heads(bench: HeadBench, progress: Progress) -> Figures:
    """Images per second in training and in inference at "auto" precision, with the paper's figures for comparison.

    Raises:
        InputError: an unknown backbone or head, a batch that does not fit, no batch size without a GPU.
    """
    for name in bench.heads:
        if name not in HEADS:
            raise InputError(f"unknown head {name!r}; known: {', '.join(HEADS)}")
    accelerator = make_accelerator("auto")
    if not bench.batch_size and accelerator.device.type != "cuda":
        raise InputError("the largest batch is found on a GPU only; give --batch-size")
    torch._dynamo.reset()  # torch gives up on a module that it has compiled eight times
    body = _Body(bench, accelerator.device)
    keys = list(product(bench.heads, bench.classes))
    batches: dict[tuple[str, int], int] = {}
    seconds: dict[tuple[str, int, str], tuple[int, list[float]]] = {}
    if not bench.batch_size:
        for key in keys:
            side = _Side(bench, body, *key, accelerator)
            batches[key] = largest_batch(lambda size, side=side: side.train(body.inputs(size)))  # type: ignore[misc]
    # the class counts of one head take turns: these are compared, and all heads together would not fit in memory
    for name in bench.heads:
        own = [key for key in keys if key[0] == name]
        seconds |= _seconds(bench, body, own, batches, accelerator, progress)
    return _figures(bench, body, accelerator, batches, seconds)


def _seconds(
    bench: HeadBench,
    body: _Body,
    keys: list[tuple[str, int]],
    largest: dict[tuple[str, int], int],
    accelerator: Accelerator,
    progress: Progress,
) -> dict[tuple[str, int, str], tuple[int, list[float]]]:
    """Batch size and seconds of each round, by head, classes and "training" or "inference"."""
    found: dict[tuple[str, int, str], tuple[int, list[float]]] = {}
    sides = {key: _Side(bench, body, *key, accelerator) for key in keys}
    for what in ("training", "inference"):
        calls: dict[str, Callable[[], None]] = {}
        for (name, classes), side in sides.items():
            batch = bench.batch_size or max(1, int(PAPER_SHARE * largest[name, classes]))
            call = partial(side.train if what == "training" else side.predict, body.inputs(batch))
            try:
                for _ in range(WARM_UP):
                    call()
            except RuntimeError as error:
                if not too_large(error):
                    raise
                task = f"{what} of {name}, {classes:,} classes"
                raise InputError(f"{task}: a batch of {batch} does not fit; lower --batch-size") from error
            calls[f"{name}, {classes:,} classes: {what}"] = call
            found[name, classes, what] = (batch, [])
        # training and inference apart, so that calls that are compared follow each other directly
        times = interleaved(calls, bench.rounds, progress).values()
        for (name, classes), seconds in zip(keys, times, strict=True):
            found[name, classes, what][1].extend(seconds)
    return found


def _three_figures(speed: float) -> str:
    """At least three significant figures: on a slow machine, a head needs seconds per image."""
    return f"{speed:,.1f}" if speed >= 10 else f"{speed:#.3g}"


def _figures(
    bench: HeadBench,
    body: _Body,
    accelerator: Accelerator,
    largest: dict[tuple[str, int], int],
    seconds: dict[tuple[str, int, str], tuple[int, list[float]]],
) -> Figures:
    base = 0 if body.backbone is None else backbone_cost(body.backbone, bench.image_size)
    rows: list[list[str]] = []
    measured: list[dict[str, Any]] = []
    entries: list[Measured] = []
    for name, classes in product(bench.heads, bench.classes):
        speeds, growth = {}, {}
        for what in ("training", "inference"):
            batch, times = seconds[name, classes, what]
            first_batch, first_times = seconds[name, bench.classes[0], what]
            speeds[what] = batch / median(times)
            # ratios within a round, since the machine's other load changes
            ratios = [one / other for one, other in zip(times, first_times, strict=True)]
            growth[what] = median(ratios) * first_batch / batch - 1
        macs = base + head_cost(HEADS[name].make(body.channels, classes), body.tokens, body.channels, classes)
        paper = HEADS[name].paper.get(classes) if bench.as_published else None
        rows.append(
            [
                name,
                f"{classes:,}",
                *(f"{_three_figures(speeds[what])} ({100 * growth[what]:+.1f} %)" for what in speeds),
                *([str(largest[name, classes])] if largest else []),
                f"{macs / 1e9:.3f}",
                *(["", "", "", ""] if paper is None else map(str, paper)),
            ]
        )
        own = {what: seconds[name, classes, what] for what in speeds}
        cost = {f"{what}, images/s": speeds[what] for what in speeds}
        cost |= {f"{what}, growth %": 100 * growth[what] for what in speeds} | {"G MAC": macs / 1e9}
        cost |= {"largest batch": float(largest[name, classes])} if largest else {}
        published = {} if paper is None else dict(zip(PAPER_FIGURES, paper, strict=True))
        entries.append(Measured({"head": name, "classes": classes}, cost, published))
        measured.append(
            {"head": name, "classes": classes, "images_per_second": speeds, "cost_growth": growth}
            | {"batch_and_seconds": own, "largest_batch": largest.get((name, classes)), "multiply_accumulates": macs}
        )
    device = torch.cuda.get_device_name() if accelerator.device.type == "cuda" else "CPU"
    precision = accelerator.mixed_precision.replace("no", "fp32")
    header = ["head", "classes", "training (growth)", "inference (growth)"]
    header += [*(["largest batch"] if largest else []), "G MAC"]
    header += ["paper (V100): training", "inference", "largest batch", "G MAC"]
    record = {"measured": measured, "device": device, "precision": precision, "settings": bench.model_dump()}
    title = _title(bench, body.tokens, f"{device}, {precision}")
    return Figures(title, header, rows, record | {"machine": machine()}, tuple(entries))


def _title(bench: HeadBench, tokens: int, where: str) -> str:
    """How the figures were measured, in one line."""
    what = f"heads on {tokens} tokens of {bench.backbone}" if bench.alone else f"{bench.backbone} with heads"
    compiled = ", compiled" if bench.compiled else ""
    growth = f"growth of the time per image is against {bench.classes[0]:,} classes"
    paper = "; the paper's figures are of a V100 in mixed precision" if bench.as_published else ""
    setup = f"{what}, {bench.image_size} px, images/s on {where}{compiled}"
    return f"{setup}; median of {bench.rounds} rounds; {growth}{paper}"
