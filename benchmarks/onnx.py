"""Exported graphs beside the model: how far logits differ, how long the export takes, and how fast onnxruntime is."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from embeddings import build_bank
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.context import Context
from zsl.data.squares import Square
from zsl.prediction.asking import Asked
from zsl.prediction.facts import Facts
from zsl.prediction.graph_files import export_onnx, export_torch
from zsl.prediction.model import TrainedModel
from zsl.prediction.prediction import logits_of
from zsl.prediction.words import Words
from zsl.readouts.table import READOUTS, make_readout

CHANNELS, EMBED, SEEN, SIDE = 48, 32, 53, 224
SIZES = {"width": 64, "ffn": 96, "group_size": 5, "attention_heads": 4}
DECODERS = (
    {"query": "learnable"},
    {"head": "learnable"},
    {"head": "shared"},
    {"query": "learnable", "head": "learnable"},
    {"grouping": "similar"},
    {"group_size": 1},
    {"layers": 2, "self_attention": True},
)
BACKBONES = ("resnet18", "tf_efficientnet_lite0", "tresnet_m", "vit_tiny_patch16_224")
CHECKED = ((1, 1), (1, 211), (3, 2), (17, 53))  # pictures and labels
HEADER = ["model", "company", "largest difference: ONNX", "torch.export", "seconds of export: ONNX", "torch.export"]


def command(
    backbones: Annotated[bool, typer.Option(help="Whole models too, with random weights.")] = True,
    out: Out = None,
) -> None:
    """Export every readout, and whole models, and compare logits with those of prediction."""
    measured(lambda progress: bench_graphs(backbones, progress), out)


def bench_graphs(backbones: bool, progress: Progress) -> Figures:
    """The largest difference of logits over several numbers of pictures and labels; random weights.

    Args:
        backbones: also export whole models, in the company that prediction chooses.
        progress: told of the models.
    """
    models = list(_readouts()) + ([(name, _model({}, name)) for name in BACKBONES] if backbones else [])
    rows, figures = [], []
    for number, (name, model) in enumerate(models):
        for company in model.readout.companies if model.backbone is None else ():
            figures.append(_measure(name, model, company))
        if model.backbone is not None or not model.readout.companies:
            figures.append(_measure(name, model, None))
        progress("graphs", number + 1, len(models))
    for row in figures:
        differences = [f"{row[key]:.0e}" for key in ("onnx", "torch")]
        rows.append(
            [row["model"], row["company"], *differences, f"{row['onnx_seconds']:.1f}", f"{row['torch_seconds']:.1f}"]
        )
    title = f"Graphs against prediction, for (pictures, labels) of {', '.join(map(str, CHECKED))}"
    return Figures(title, HEADER, rows, {"measured": figures, "machine": machine()})


def _readouts() -> Iterator[tuple[str, TrainedModel]]:
    for kind in READOUTS:
        yield kind, _model({"kind": kind})
    for keys in DECODERS:
        yield "ml-decoder, " + ", ".join(f"{key} = {value}" for key, value in keys.items()), _model(keys)
    yield "gap-text, softmax", _model({"kind": "gap-text"}, loss="softmax")


def _model(keys: dict[str, Any], backbone: str | None = None, loss: str = "bce") -> TrainedModel:
    """A model with random weights; of tokens, or with a backbone of timm."""
    torch.manual_seed(0)
    made = None if backbone is None else Backbone(BackboneConfig(name=backbone))
    labels = tuple(f"label {number}" for number in range(SEEN))
    bank = build_bank(labels, f"random:{EMBED}")
    config = READOUTS[keys.get("kind", "ml-decoder")]
    channels = EMBED if config.aligned else CHANNELS if made is None else made.channels(SIDE)
    readout = make_readout(
        config(**{key: value for key, value in (SIZES | keys).items() if key in config.model_fields}),
        channels,
        EMBED,
        SEEN,
    )
    readout.remember(torch.from_numpy(bank.select(labels)))
    for parameter in readout.parameters():
        if parameter.isnan().any():  # solved readouts, before they are solved
            torch.nn.init.normal_(parameter)
    square = None if made is None else Square(SIDE)
    facts = Facts("model", "random", "none", labels, channels, EMBED, loss, square)
    return TrainedModel(made, readout, loss == "softmax", facts, bank).eval()


def _measure(name: str, model: TrainedModel, company: Any) -> dict[str, Any]:
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for export, file in ((export_onnx, "model.onnx"), (export_torch, "model.pt2")):
            start = time.perf_counter()
            export(model, Path(folder, file), company=company)
            seconds.append(time.perf_counter() - start)
        session = onnxruntime.InferenceSession(Path(folder, "model.onnx"), providers=["CPUExecutionProvider"])
        program = torch.export.load(Path(folder, "model.pt2")).module()
    names, largest = [one.name for one in session.get_inputs()], [0.0, 0.0]
    for pictures, count in CHECKED:
        random = torch.Generator().manual_seed(count)
        vectors = torch.randn(count, EMBED, generator=random)
        vectors[0] = torch.from_numpy(model.bank.vectors[-1])  # a seen label among the others
        inputs = torch.randn(pictures, 49, model.facts.channels, generator=random)
        if model.backbone is not None:
            inputs = torch.randint(0, 256, (pictures, 3, SIDE, SIDE), dtype=torch.uint8, generator=random)
        words = Words(tuple(map(str, range(count))), vectors.numpy(), np.arange(count) == 0)
        with torch.inference_mode():
            expected = logits_of(Asked(model, words, company, Context.of("fp32")), model.tokens(inputs))
        (found,) = session.run(None, dict(zip(names, (inputs.numpy(), vectors.numpy()), strict=True)))
        with torch.no_grad():
            again = program(inputs, vectors).numpy()
        largest = [
            max(one, float(np.abs(two - expected).max())) for one, two in zip(largest, (found, again), strict=True)
        ]
    known = {"model": name if model.backbone is None else f"{name} + ml-decoder", "company": company or "its own"}
    return known | dict(zip(("onnx", "torch", "onnx_seconds", "torch_seconds"), (*largest, *seconds), strict=True))
