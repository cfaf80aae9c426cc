"""Where a decoder's time goes: self-attention, cross-attention and MLP, as in the paper's Table 11."""

from collections.abc import Callable
from statistics import median

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from embeddings.io.progress import Progress
from experiments.bench.costs import ATTENTION_HEADS, FFN, GROUPS, WIDTH
from experiments.bench.harness import Figures, Measured, interleaved, machine
from zsl.acceleration import make_accelerator
from zsl.config import Config
from zsl.readouts.decoder_layer import DecoderLayer

# ms of inference: ML-Decoder, Transformer-decoder. The scan reads 14 for the cross-attention of 100 queries, where
# 38.8 for 4,000 and the MLP's 1.8 leave no doubt that 1.4 is meant
PAPER = {
    (100, "self-attention"): (None, 1.5),
    (100, "cross-attention"): (1.4, 1.4),
    (100, "MLP"): (1.8, 1.8),
    (4000, "self-attention"): (None, 612.8),
    (4000, "cross-attention"): (1.4, 38.8),
    (4000, "MLP"): (1.8, 85.3),
}
COMPARED = ("ML-Decoder", "Transformer-decoder")
MODULES = ("self-attention", "cross-attention", "MLP")
Part = tuple[str, int, str]  # head, classes, module


class ModuleBench(Config):
    """What is measured: `tokens` of an image; 49 are those of 224 px."""

    classes: tuple[PositiveInt, ...] = Field((100, 4000), min_length=1)
    batch_size: PositiveInt = 4
    tokens: PositiveInt = 49
    rounds: PositiveInt = 10


@torch.inference_mode()
def bench_modules(bench: ModuleBench, progress: Progress) -> Figures:
    """Milliseconds of a decoder layer's parts in inference: a query for every class, compared with 100 group queries.

    The Transformer-decoder's parts are torch's own attention and this toolkit's MLP; ML-Decoder has no self-attention,
    and the projection of its queries is computed beforehand.
    """
    accelerator = make_accelerator("auto")
    device = accelerator.device
    torch.manual_seed(0)
    parts = _parts(bench.classes, torch.randn(bench.batch_size, bench.tokens, WIDTH, device=device))

    def timed(part: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with accelerator.autocast():
                part()
            if device.type == "cuda":
                torch.cuda.synchronize()

        run()
        return run

    calls = {f"{head}, {count:,} classes: {name}": timed(part) for (head, count, name), part in parts.items()}
    times = interleaved(calls, bench.rounds, progress).values()
    found = {key: 1000 * median(seconds) for key, seconds in zip(parts, times, strict=True)}
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    return _figures(bench, found, where, accelerator.mixed_precision.replace("no", "fp32"))


def _figures(bench: ModuleBench, found: dict[Part, float], where: str, precision: str) -> Figures:
    """The table of milliseconds by part."""
    rows, entries = [], []
    for count in bench.classes:
        for name in MODULES:
            own = tuple(found.get((head, count, name)) for head in COMPARED)
            paper = PAPER.get((count, name), (None, None))
            rows.append(
                [f"{count:,}", name, *("none" if ms is None else f"{ms:.2f}" for ms in own)]
                + (["none" if ms is None else str(ms) for ms in paper] if (count, name) in PAPER else ["", ""])
            )
            entries.append(Measured({"classes": count, "module": name}, _by_head(own), _by_head(paper)))
    images = f"{bench.batch_size} images of {bench.tokens} tokens"
    title = f"Parts of a decoder layer, ms of inference, {images}, {where}, {precision}"
    header = ["classes", "module", "ML-Decoder", "Transformer-decoder", "paper: ML-Decoder", "Transformer-decoder"]
    measured = [{"head": h, "classes": n, "module": m, "ms": ms} for (h, n, m), ms in found.items()]
    record = {"measured": measured, "batch_size": bench.batch_size, "tokens": bench.tokens, "rounds": bench.rounds}
    record |= {"device": where, "precision": precision, "machine": machine()}
    title += f"; median of {bench.rounds} rounds; the paper's figures are of a V100"
    return Figures(title, header, rows, record, tuple(entries))


def _parts(classes: tuple[int, ...], memory: Tensor) -> dict[Part, Callable[[], object]]:
    """What is timed: each part of each head for each number of classes."""
    found: dict[Part, Callable[[], object]] = {}
    for count in classes:
        groups, queries = _group_parts(min(GROUPS, count), memory), _transformer_parts(count, memory)
        for head, parts in zip(COMPARED, (groups, queries), strict=True):
            found |= {(head, count, name): part for name, part in parts.items()}
    return found


def _by_head(milliseconds: tuple[float | None, ...]) -> dict[str, float]:
    return {f"{head}, ms": ms for head, ms in zip(COMPARED, milliseconds, strict=True) if ms is not None}


def _layer(device: torch.device) -> DecoderLayer:
    return DecoderLayer(WIDTH, ATTENTION_HEADS, FFN, 0.0, self_attention=False).to(device).eval()


def _mlp(layer: DecoderLayer, hidden: Tensor) -> Tensor:
    return layer.ffn_out(layer.ffn_in(hidden).relu())


def _group_parts(groups: int, memory: Tensor) -> dict[str, Callable[[], object]]:
    layer = _layer(memory.device)
    _, projected = layer.begin(torch.randn(groups, WIDTH, device=memory.device))
    hidden = torch.randn(len(memory), groups, WIDTH, device=memory.device)
    return {"cross-attention": lambda: layer.attention(projected, memory), "MLP": lambda: _mlp(layer, hidden)}


def _transformer_parts(classes: int, memory: Tensor) -> dict[str, Callable[[], object]]:
    layer = _layer(memory.device)
    attend = nn.MultiheadAttention(WIDTH, ATTENTION_HEADS, batch_first=True).to(memory.device).eval()
    hidden = torch.randn(len(memory), classes, WIDTH, device=memory.device)
    return {
        "self-attention": lambda: attend(hidden, hidden, hidden, need_weights=False),
        "cross-attention": lambda: attend(hidden, memory, memory, need_weights=False),
        "MLP": lambda: _mlp(layer, hidden),
    }
