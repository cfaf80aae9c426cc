"""Encoding label names, compared with calling the sentence-transformers model directly."""

import tempfile
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, interleaved, machine
from experiments.commands.bench import Out, measured
from zsl.data.layouts.drawing import COLOUR_SYNONYMS, SHAPE_SYNONYMS, TEXTURES


def command(
    encoder: Annotated[str, typer.Option(metavar="SPEC", help="sentence-transformers:MODEL_OR_FOLDER")],
    labels: Annotated[int, typer.Option(min=1, help="Label names to encode.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every side runs once.")] = 3,
    out: Out = None,
) -> None:
    """Encode label names, compared with the sentence-transformers model itself."""
    measured(lambda progress: bench_encoding(encoder, labels, rounds, progress), out)


def bench_encoding(encoder: str, labels: int, rounds: int, progress: Progress) -> Figures:
    """`build_bank` and saving, compared with the model's own `encode` on the same texts; both load the model."""
    from sentence_transformers import SentenceTransformer

    family, _, name = encoder.partition(":")
    if family != "sentence-transformers":
        raise InputError(f"encoder {encoder}: this benchmark is for sentence-transformers:MODEL_OR_FOLDER")
    texts = phrases(labels)
    build_bank(texts[:1], encoder)  # fails now if the model is not available
    encoded: dict[str, np.ndarray] = {}

    def own() -> None:
        with tempfile.TemporaryDirectory() as folder:
            bank = build_bank(texts, encoder)
            bank.save(Path(folder) / "bank.safetensors")
            encoded["build_bank and save"] = np.array(bank.vectors)

    def model() -> None:
        encoded["model.encode"] = SentenceTransformer(name).encode(texts, show_progress_bar=False)

    sides = {"model.encode": model, "build_bank and save": own}
    seconds = interleaved(sides, rounds, progress)
    apart = float(np.abs(encoded["model.encode"] - encoded["build_bank and save"]).max())
    base = median(seconds["model.encode"])
    rows = [
        [side, f"{median(times):.1f}", f"{labels / median(times):,.0f}", f"{median(times) / base:.3f}"]
        for side, times in seconds.items()
    ]
    record = {"labels": labels, "seconds": seconds, "largest_difference": apart, "machine": machine()}
    title = f"Encoding {labels:,} label names, median of {rounds} rounds; vectors differ by {apart:.1e} at most"
    return Figures(title, ["", "seconds", "names/s", "ratio"], rows, record)


def phrases(count: int) -> list[str]:
    """Distinct label names of three words, and of four once those are used up."""

    def words(synonyms: dict[str, str]) -> list[str]:
        return [*synonyms, *synonyms.values()]

    plain = [" ".join(p) for p in product(words(TEXTURES), words(COLOUR_SYNONYMS), words(SHAPE_SYNONYMS))]
    return list(islice((f"{p} {n}".strip() for n in ["", *range(count)] for p in plain), count))
