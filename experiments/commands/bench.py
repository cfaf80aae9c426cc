"""`zsl bench`: speed and memory against peers, in one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, tell

if TYPE_CHECKING:
    from experiments.bench.harness import Figures

app = typer.Typer(help="Speed and memory against peers, measured in one run.")
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="A config value; may be repeated.")
]
Out = Annotated[Path | None, typer.Option(help="A JSON file for the figures.")]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    list_: Annotated[bool, typer.Option("--list", help="Print what there is.")] = False,
) -> None:
    """Speed and memory against peers, measured in one run."""
    if context.invoked_subcommand is None and not list_:
        typer.echo(context.get_help())
    elif list_:
        for command in app.registered_commands:
            assert command.callback is not None
            tell(f"{command.name}  {(command.callback.__doc__ or '').splitlines()[0]}")


@app.command("encoding")
@clear_errors
def encoding(
    encoder: Annotated[str, typer.Option(help="sentence-transformers:MODEL_OR_FOLDER")],
    labels: Annotated[int, typer.Option(min=1, help="Label names to encode.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each side runs, in turn.")] = 3,
    out: Out = None,
) -> None:
    """Encoding label names, against the sentence-transformers model called directly."""
    from experiments.bench.harness import bench_encoding

    _check(out)
    console = make_console()
    with ConsoleProgress(console) as progress:
        figures = bench_encoding(encoder, labels, rounds, progress)
    _show(figures, out)


@app.command("bank-memory")
@clear_errors
def bank_memory(
    labels: Annotated[int, typer.Option(min=1, help="Labels of the bank.")] = 1_000_000,
    width: Annotated[int, typer.Option(min=1, help="Size of a vector.")] = 300,
    out: Out = None,
) -> None:
    """Peak memory of building a large bank from vector files, against gensim."""
    from experiments.bench.harness import bench_bank_memory

    _check(out)
    console = make_console()
    with ConsoleProgress(console) as progress:
        figures = bench_bank_memory(labels, width, progress)
    _show(figures, out)


@app.command("tokens")
@clear_errors
def tokens(
    config: Annotated[str, typer.Option(help="A recipe or a TOML file with a frozen backbone.")] = "demo",
    settings: Settings = None,
    out: Out = None,
) -> None:
    """Training Table 8 from cached tokens, against the frozen backbone in the loop."""
    from experiments.bench.tokens import bench_tokens
    from experiments.config.reading import load_config

    _check(out)
    values = load_config(config, settings or [], trains=True)
    with ConsoleProgress(make_console()) as progress:
        figures = bench_tokens(values, progress)
    _show(figures, out)


@app.command("nus-wide")
@clear_errors
def nus_wide(
    truth: Annotated[
        Path | None, typer.Option(help="The real annotation, an .npz; generated labels without it.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures that are there; the others are holes.")] = 4000,
    out: Out = None,
) -> None:
    """Opening NUS-WIDE's raw layout at full size: 269,648 images, 1,000 tags, 81 concepts."""
    from experiments.bench.nus_wide import bench_nus_wide

    _check(out)
    with ConsoleProgress(make_console()) as progress:
        figures = bench_nus_wide(truth, images, progress)
    _show(figures, out)


@app.command("heads")
@clear_errors
def heads(
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "tresnet_m",
    image_size: Annotated[int, typer.Option(min=16, help="Pixels.")] = 224,
    classes: Annotated[list[int] | None, typer.Option(min=1, help="Repeat it [default: 100, 1000, 5000].")] = None,
    head: Annotated[list[str] | None, typer.Option(help="A head; repeat it [default: all].")] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Of training and inference; 0: 80 % of the largest, on a GPU.")
    ] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each side runs, in turn.")] = 10,
    alone: Annotated[bool, typer.Option("--alone", help="Heads on ready tokens, without the backbone.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="With torch.compile.")] = False,
    out: Out = None,
) -> None:
    """Heads against classes, images a second and multiply-accumulates, beside the paper's Tables 9 and 12."""
    from experiments.bench.costs import HEADS
    from experiments.bench.heads import HeadBench, bench_heads

    _check(out)
    counts, chosen = tuple(classes or (100, 1000, 5000)), tuple(head or HEADS)
    bench = HeadBench(
        backbone=backbone,
        image_size=image_size,
        classes=counts,
        heads=chosen,
        batch_size=batch_size,
        rounds=rounds,
        alone=alone,
        compiled=compiled,
    )
    with ConsoleProgress(make_console()) as progress:
        figures = bench_heads(bench, progress)
    _show(figures, out)


@app.command("layers")
@clear_errors
def layers(
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "tresnet_m",
    image_size: Annotated[int, typer.Option(min=16, help="Pixels.")] = 448,
    classes: Annotated[int, typer.Option(min=1, help="Classes, each with a query.")] = 80,
    out: Out = None,
) -> None:
    """Multiply-accumulates of stacked decoder layers, beside the paper's Table 10; nothing is timed."""
    from experiments.bench.costs import count_layers

    _check(out)
    _show(count_layers(backbone, image_size, classes), out)


@app.command("modules")
@clear_errors
def modules(
    classes: Annotated[list[int] | None, typer.Option(min=1, help="Repeat it [default: 100, 4000].")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images.")] = 4,
    tokens: Annotated[int, typer.Option(min=1, help="Of an image; 49 are those of 224 px.")] = 49,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each side runs, in turn.")] = 10,
    out: Out = None,
) -> None:
    """Time of self-attention, cross-attention and MLP against classes, beside the paper's Table 11."""
    from experiments.bench.modules import ModuleBench, bench_modules

    _check(out)
    bench = ModuleBench(classes=tuple(classes or (100, 4000)), batch_size=batch_size, tokens=tokens, rounds=rounds)
    with ConsoleProgress(make_console()) as progress:
        figures = bench_modules(bench, progress)
    _show(figures, out)


@app.command("step")
@clear_errors
def step(
    config: Annotated[str, typer.Option(help="A recipe or a TOML file with a frozen backbone, or of tokens.")] = "demo",
    settings: Settings = None,
    rounds: Annotated[int, typer.Option(min=1, help="Epochs of each side, in turn.")] = 7,
    out: Out = None,
) -> None:
    """The training loop, against forward, backward and the optimiser's step alone."""
    from experiments.bench.step import bench_step
    from experiments.config.reading import load_config

    _check(out)
    values = load_config(config, settings or [], trains=True)
    with ConsoleProgress(make_console()) as progress:
        figures = bench_step(values, rounds, progress)
    _show(figures, out)


@app.command("loader")
@clear_errors
def loader(
    config: Annotated[
        str | None, typer.Option(help="A recipe or a TOML file of image files; made pictures without it.")
    ] = None,
    settings: Settings = None,
    images: Annotated[int, typer.Option(min=1, help="Images to read.")] = 2000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read.")] = 2,
    batch_size: Annotated[int, typer.Option(min=1, help="Of the loader.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each side runs, in turn.")] = 5,
    out: Out = None,
) -> None:
    """Reading image files, against decoding and resizing them and nothing else."""
    from experiments.bench.loader import bench_loader
    from experiments.config.reading import load_config

    _check(out)
    data = None if config is None else load_config(config, settings or []).data
    with ConsoleProgress(make_console()) as progress:
        figures = bench_loader(data, images, workers, batch_size, rounds, progress)
    _show(figures, out)


@app.command("metrics")
@clear_errors
def metrics(
    images: Annotated[int, typer.Option(min=10, help="Rows of the scores.")] = 107_859,
    labels: Annotated[int, typer.Option(min=10, help="Columns of the scores.")] = 1006,
    truth: Annotated[Path | None, typer.Option(help="The real annotation, an .npz; generated without it.")] = None,
    growth: Annotated[
        list[int] | None, typer.Option(min=1, help="Images of further sizes; repeat it [default: 10^4, 10^5, 10^6].")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each side runs, in turn.")] = 3,
    out: Out = None,
) -> None:
    """mAP and F1@K of NUS-WIDE's whole test set, against scikit-learn, torchmetrics and sorting."""
    from experiments.bench.metrics import bench_metrics

    _check(out)
    with ConsoleProgress(make_console()) as progress:
        sizes = growth or [10_000, 100_000, 1_000_000]
        figures = bench_metrics(images, labels, truth, sizes, rounds, progress)
    _show(figures, out)


@app.command("intervals")
@clear_errors
def intervals(
    images: Annotated[int, typer.Option(min=10, help="Of a simulated test set.")] = 300,
    positives: Annotated[
        list[float] | None, typer.Option(min=0.1, help="Positives a label; repeat it [default: 1.5, 4, 20].")
    ] = None,
    sets: Annotated[int, typer.Option(min=2, help="Test sets.")] = 150,
    replicates: Annotated[int, typer.Option(min=2, help="Of the bootstrap.")] = 200,
    out: Out = None,
) -> None:
    """How often bootstrap intervals of mAP hold the expected mAP, in simulated test sets."""
    from experiments.bench.intervals import bench_intervals

    _check(out)
    with ConsoleProgress(make_console()) as progress:
        figures = bench_intervals(images, positives or [1.5, 4, 20], sets, replicates, progress)
    _show(figures, out)


def _check(out: Path | None) -> None:
    from experiments.output.files import check_new_file

    if out is not None:
        check_new_file(out)


def _show(figures: "Figures", out: Path | None) -> None:
    import json

    from embeddings.io import atomic

    console = make_console()
    console.print(console_table(figures.title, figures.header, figures.rows))
    tell("; ".join(f"{name} {value}" for name, value in figures.record["machine"].items()))
    if out is not None:
        atomic.write_text(out, json.dumps(figures.record, indent=1) + "\n")
