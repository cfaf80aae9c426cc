"""Prediction: pictures per second compared with bare decoding and forward passes, and large vocabularies."""

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

import zsl.prediction.asking
from benchmarks.loader import SIZE
from benchmarks.peak import peak_of
from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Provenance
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, interleaved, machine
from experiments.commands.bench import Out, measured
from experiments.prediction.predicting import Pace
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.data.squares import Square
from zsl.prediction.facts import Facts
from zsl.prediction.model import TrainedModel
from zsl.prediction.prediction import Predictor, Wanted, predictions
from zsl.readouts.group_decoder import MlDecoderConfig

SEEN, WIDTH = 925, 384  # labels of training, and the size of MiniLM's vectors
VOCABULARIES = (7, 1006, 100_000)
ASKED = 20  # words that all pictures are asked
ASK = """
import resource
import zsl, torch, zsl.prediction.asking as asking
model = zsl.load(sys.argv[1])
if sys.argv[4]:
    asking.BLOCK = int(sys.argv[4])
    asking.QUERIES = 64 * asking.BLOCK
found = model.predict(sys.argv[2], None if sys.argv[3] == "own" else sys.argv[3], top=5)[0].found
print([(one.label, round(one.logit, 4)) for one in found])
"""


def command(
    images: Annotated[int, typer.Option(min=1, help="JPEGs to predict on.")] = 2000,
    backbone: Annotated[str, typer.Option(metavar="NAME", help="A timm model, with random weights.")] = "resnet18",
    names: Annotated[int, typer.Option(min=10, help="Names of the largest vocabulary.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every side runs once.")] = 3,
    out: Out = None,
) -> None:
    """Predict on pictures, compared with only decoding them and running the same model."""
    measured(lambda progress: bench_predict(images, backbone, names, rounds, progress), out)


def bench_predict(images: int, backbone: str, names: int, rounds: int, progress: Progress) -> Figures:
    """Seconds of `zsl predict`'s own loop and of bare code, and time and memory of vocabularies.

    Args:
        images: pictures, generated at the size of Flickr's medium ones.
        backbone: of timm; its weights are random, which changes no time.
        names: of the largest vocabulary, asked of one picture in a process of its own.
        rounds: times that each side runs, in turn.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, model = _pictures(folder, images, progress), _model(backbone)
        sides = {
            "decode and forward": partial(_bare, model, paths),
            "zsl predict": partial(_own, model, paths),
        }
        seconds = interleaved(sides, rounds, progress)
        rows = [
            [f"{images:,} pictures, {ASKED} names", side, f"{median(times):.2f}", f"{images / median(times):.0f}", ""]
            for side, times in seconds.items()
        ]
        ratio = median(seconds["zsl predict"]) / median(seconds["decode and forward"])
        vocabularies = _vocabularies(model, folder, paths[0], names, progress)
    rows += [[f"1 picture, {one['names']:,} names", *one["cells"]] for one in vocabularies]
    title = f"{backbone}, text queries and heads, groups of 10, width 768; prediction / bare = {ratio:.2f}"
    record = {"seconds": seconds, "ratio": ratio, "vocabularies": vocabularies, "machine": machine()}
    return Figures(title, ["", "side", "seconds", "pictures/s", "peak MB"], rows, record)


def _pictures(folder: Path, images: int, progress: Progress) -> list[Path]:
    generator, paths = np.random.default_rng(0), []
    for number in range(images):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.jpg")
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
        progress("pictures", number + 1, images)
    return paths


def _vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, WIDTH), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _model(backbone: str) -> TrainedModel:
    torch.manual_seed(0)
    config = BackboneConfig(name=backbone).resolved()
    made = Backbone(config)
    channels = made.channels(224)
    decoder = MlDecoderConfig(group_size=10)
    labels = tuple(f"seen {number}" for number in range(SEEN))
    facts = Facts(
        "benchmark", "none", "0", labels, channels, WIDTH, "asymmetric", Square(224), config.model_dump(mode="json"),
        decoder.model_dump(mode="json"),
    )  # fmt: skip
    bank = Bank(labels, _vectors(SEEN), Provenance("given"))
    return TrainedModel(made, decoder.make(channels, WIDTH, SEEN), False, facts, bank).eval()


def _bare(model: TrainedModel, paths: list[Path], size: int = 64) -> None:
    """What one would write by hand: Pillow in this process, then the model, then the best five."""
    square, vectors = model.facts.square, torch.from_numpy(model.bank.vectors)
    assert square is not None
    assert model.backbone is not None
    with torch.inference_mode():
        bound = model.readout.bind_each(vectors[:ASKED], "anchored", vectors)
        for start in range(0, len(paths), size):
            pixels = []
            for path in paths[start : start + size]:
                with Image.open(path) as image:
                    pixels.append(torch.from_numpy(np.array(square.of(image.convert("RGB")))))
            bound(model.backbone(torch.stack(pixels).permute(0, 3, 1, 2))).sigmoid().topk(5)


def _own(model: TrainedModel, paths: list[Path]) -> None:
    context = Pace().context(len(paths), lambda *_: None)
    predictor = Predictor(model.asked(model.bank.labels[:ASKED], None, context), Wanted())
    for _ in predictions(predictor, model.pictures(paths)):
        pass


def _vocabularies(model: TrainedModel, folder: Path, picture: Path, names: int, progress: Progress) -> list[dict]:
    """Time and peak memory of one picture in a process of its own, vocabulary by vocabulary."""
    model.save_pretrained(folder / "model")
    found = []
    for count in (*VOCABULARIES, names):
        labels = tuple(f"word {number}" for number in range(count))
        bank = Bank(labels, _vectors(count, 1), Provenance("given"))
        bank.save(folder / "words.bank")
        answers = []
        for side, block in (("in blocks", ""), ("at once", str(count))):
            if side == "at once" and not zsl.prediction.asking.BLOCK < count <= 100_000:
                continue  # one block holds it, or the memory does not
            arguments = [str(folder / "model"), str(picture), str(folder / "words.bank"), block]
            seconds, peak, output = peak_of(ASK, arguments, folder / "cache")
            answers.append(output.splitlines()[0])
            found.append({"names": count, "cells": [side, f"{seconds:.1f}", "", f"{peak / 1e6:,.0f}"], "peak": peak})
            progress("vocabularies", len(found), len(VOCABULARIES) + 2)
        found[-1]["same"] = json.dumps(answers[0] == answers[-1])
        found[-1]["bank"] = bank.vectors.nbytes
    return found
