"""Training from cached tokens, compared with training with the frozen backbone in the loop."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import load_config
from experiments.grids.grid import variant_config
from experiments.grids.paper_tables import GROUP_DECODERS
from experiments.runs.extraction import run_extraction
from experiments.runs.measurement import measure_run
from zsl.context import Context
from zsl.data.tokens.writing import Extraction
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig, validated
from zsl.runs.folder import train_run
from zsl.runs.source import Source, open_source


def command(
    config: Annotated[
        str, typer.Option(metavar="CONFIG", help="A recipe or a TOML file with a frozen backbone.")
    ] = "demo",
    settings: Settings = None,
    out: Out = None,
) -> None:
    """Train Table 8 from cached tokens, compared with the backbone in the loop."""
    measured(lambda progress: bench_tokens(load_config(config, settings or [], trains=True), progress), out)


def bench_tokens(config: RunConfig, progress: Progress) -> Figures:
    """Every variant of Table 8 for a config's epochs, from tokens on disk and through the backbone; no augmentation.

    Raises:
        InputError: a config without a frozen backbone.
    """
    if config.backbone is None or config.backbone.mode != "frozen":
        raise InputError('this benchmark is for [backbone] with mode = "frozen"')
    values = config.model_dump(mode="json")
    values["augment"] = {"flip": False}
    values["backbone"]["cached"] = False
    live = validated(values, "backbone in the loop")
    rows, measured = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        run_extraction(live, folder / "tokens", Extraction(), progress)
        extraction = time.perf_counter() - started
        values = live.model_dump(mode="json") | {"backbone": None}
        values["data"] = {"name": "tokens", "root": str(folder / "tokens")}
        cached = validated(values, "tokens")
        context = Context.of(config.train.precision)
        sources = {"backbone in the loop": (live, open_source(live, context))}
        sources["tokens on disk"] = (cached, open_source(cached, context))
        sources["backbone in the loop"][1].pretrain()
        for variant in GROUP_DECODERS:
            seconds, metrics = {}, {}
            for side, (base, source) in sources.items():
                run = folder / f"{variant.title}-{side.replace(' ', '-')}"
                seconds[side], metrics[side] = _run(variant_config(base, variant), source, run)
                progress(f"{variant.title}: {side}", 1, 1)
            slow, fast = seconds.values()
            first, second = metrics.values()
            apart = max(abs(first[key] - second[key]) for key in first)
            epochs = config.train.epochs
            row = [f"{slow / epochs:.1f}", f"{fast / epochs:.1f}", f"{slow / fast:.1f}", f"{apart:.1e}"]
            rows.append([variant.title.replace("-", "/"), *row])
            measured.append({"variant": variant.axes, "seconds": seconds, "largest_difference": apart})
    title = f"Table 8, seconds an epoch of {config.train.epochs}; tokens were extracted once, in {extraction:.0f} s"
    header = ["variant", "backbone in the loop", "tokens on disk", "times faster", "metrics differ by"]
    record = {"extraction_seconds": extraction, "measured": measured, "machine": machine()}
    return Figures(title, header, rows, record)


def _run(config: RunConfig, source: Source, run: Path) -> tuple[float, dict[str, float]]:
    """Seconds of training, with validation after each epoch, and the test's metrics."""
    bank = load_bank(config.bank, source.data)
    started = time.perf_counter()
    train_run(source.of(config), bank, run)
    seconds = time.perf_counter() - started
    return seconds, measure_run(run, source).evaluation.metrics
