"""Steps on a CPU while the C library gives freed memory back to the system, compared with while it keeps it."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.peak import peak_of
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from zsl.acceleration import keep_freed_memory
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.losses.asymmetric import asymmetric_loss
from zsl.readouts.table import READOUTS

BATCH, TOKENS, CHANNELS, EMBED, LABELS, PIXELS = 64, 64, 512, 384, 925, 224
HEADS = {
    "gap-text": ("gap-text", {}),
    "label attention": ("label-attention", {"width": 256, "attention_heads": 4, "ffn": 512}),
    "groups of 8": ("ml-decoder", {"width": 256, "attention_heads": 4, "ffn": 512, "group_size": 8}),
    "full decoding": ("ml-decoder", {"width": 256, "attention_heads": 4, "ffn": 512, "group_size": 1}),
}
BACKBONE = "frozen tf_efficientnet_lite0"
SIDES = ("given back", "kept")
ALONE = """
import resource, time
from benchmarks.allocation import step_of
from zsl.acceleration import keep_freed_memory

if sys.argv[2] == "kept":
    keep_freed_memory()
step, steps = step_of(sys.argv[1]), int(sys.argv[3])
step()  # the first call prepares the kernels
system, started = resource.getrusage(resource.RUSAGE_SELF).ru_stime, time.perf_counter()
for _ in range(steps):
    step()
seconds = time.perf_counter() - started
print(seconds / steps, (resource.getrusage(resource.RUSAGE_SELF).ru_stime - system) / steps)
"""


def step_of(name: str) -> Callable[[], None]:
    """A training step of a readout on tokens of a batch, or a pass of a batch of pictures through a frozen backbone."""
    torch.manual_seed(0)
    if name == BACKBONE:
        backbone = Backbone(BackboneConfig(name="tf_efficientnet_lite0")).eval()
        pictures = torch.randint(0, 256, (BATCH, 3, PIXELS, PIXELS), dtype=torch.uint8)

        @torch.inference_mode()
        def read() -> None:
            backbone(pictures)

        return read
    kind, keys = HEADS[name]
    readout = READOUTS[kind](**keys).make(CHANNELS, EMBED, LABELS)
    optimizer = torch.optim.AdamW(readout.parameters(), fused=True)
    tokens, vectors = torch.randn(BATCH, TOKENS, CHANNELS), torch.randn(LABELS, EMBED)
    targets = (torch.rand(BATCH, LABELS) < 0.01).float()

    def train() -> None:
        asymmetric_loss(readout(tokens, vectors), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return train


def command(
    steps: Annotated[int, typer.Option(min=1, help="Steps of a process.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each side, in turn.")] = 5,
    out: Out = None,
) -> None:
    """Steps while freed memory is given back, compared with while it is kept; and the peak memory of both."""
    measured(lambda progress: bench_allocation(steps, rounds, progress), out)


def bench_allocation(steps: int, rounds: int, progress: Progress) -> Figures:
    """Milliseconds a step, the system's part of it, and peak memory.

    Each side has processes of its own, in turn: what one side keeps, the other would use.

    Raises:
        InputError: the C library has no such setting, or the environment sets it.
    """
    if not keep_freed_memory():
        raise InputError("this benchmark needs glibc, and an environment without MALLOC_*_ and GLIBC_TUNABLES")
    rows, record = [], {}
    for name in (*HEADS, BACKBONE):
        found: dict[str, list[tuple[float, float, float]]] = {side: [] for side in SIDES}
        for done in range(rounds):
            for side in SIDES:
                _, peak, told = peak_of(ALONE, [name, side, str(steps)], Path())
                seconds, system = map(float, told.split()[:2])
                found[side].append((seconds, system, peak))
            progress(name, done + 1, rounds)
        middle = {side: [median(values) for values in zip(*runs, strict=True)] for side, runs in found.items()}
        for side, (seconds, system, peak) in middle.items():
            ratio = seconds / middle["given back"][0]
            figures = [f"{1000 * seconds:.0f}", f"{1000 * system:.0f}", f"{ratio:.2f}", f"{peak / 2**20:,.0f}"]
            rows.append([name, side, *figures])
        record[name] = found
    title = f"Batches of {BATCH} with {TOKENS} tokens and {LABELS} labels, {torch.get_num_threads()} threads"
    header = ["step", "freed memory is", "ms", "of these the system", "ratio", "peak MiB"]
    return Figures(f"{title}; median of {rounds} processes", header, rows, {"steps": record, "machine": machine()})
