"""`zsl bench`: what heads and their parts cost, measured in one run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.commands.app import Commands
from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, tell

if TYPE_CHECKING:
    from embeddings.io.progress import Progress
    from experiments.bench.harness import Figures

app = Commands(help="Measure what heads cost, beside the paper's figures.")
Out = Annotated[Path | None, typer.Option(help="A JSON file for the figures.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds; in each, every side runs once.")]
BackboneName = Annotated[str, typer.Option(metavar="NAME", help="A timm model.")]


def measured(measure: "Callable[[Progress], Figures]", out: Path | None) -> None:
    """Measures, prints the table, and writes the figures to the JSON file `out` if it is given.

    Raises:
        InputError: `out` exists or cannot be made; nothing was measured.
    """
    from embeddings.io import atomic
    from experiments.output.files import check_new_file

    if out is not None:
        check_new_file(out)
    console = make_console()
    with ConsoleProgress(console) as progress:
        figures = measure(progress)
    console.print(console_table(figures.title, figures.header, figures.rows))
    tell("; ".join(f"{name} {value}" for name, value in figures.record["machine"].items()))
    if out is not None:
        atomic.write_text(out, json.dumps(figures.record, indent=1) + "\n")


@app.command()
@clear_errors
def heads(
    backbone: BackboneName = "tresnet_m",
    image_size: Annotated[int, typer.Option(min=16, help="Side of the square image in pixels.")] = 224,
    classes: Annotated[
        list[int] | None, typer.Option(min=1, show_default="100, 1000, 5000", help="Classes; may be repeated.")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="NAME", show_default="all", help="A head; may be repeated.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Images per batch; 0 takes 80 % of the largest that fits (needs a GPU).")
    ] = 8,
    rounds: Rounds = 10,
    alone: Annotated[
        bool, typer.Option("--alone", help="Measure heads on ready tokens, without the backbone.")
    ] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    out: Out = None,
) -> None:
    """Measure speed and cost of heads by number of classes.

    The table shows the paper's Tables 9 and 12 for comparison.
    """
    from experiments.bench.costs import HEADS
    from experiments.bench.heads import HeadBench, bench_heads

    bench = HeadBench(
        backbone=backbone,
        image_size=image_size,
        classes=tuple(classes or (100, 1000, 5000)),
        heads=tuple(head or HEADS),
        batch_size=batch_size,
        rounds=rounds,
        alone=alone,
        compiled=compiled,
    )
    measured(lambda progress: bench_heads(bench, progress), out)


@app.command()
@clear_errors
def layers(
    backbone: BackboneName = "tresnet_m",
    image_size: Annotated[int, typer.Option(min=16, help="Side of the square image in pixels.")] = 448,
    classes: Annotated[int, typer.Option(min=1, help="Number of classes; each has a query.")] = 80,
    out: Out = None,
) -> None:
    """Count multiply-accumulates of stacked decoder layers.

    The table shows the paper's Table 10 for comparison; nothing is timed.
    """
    from experiments.bench.costs import count_layers

    measured(lambda progress: count_layers(backbone, image_size, classes), out)


@app.command()
@clear_errors
def modules(
    classes: Annotated[
        list[int] | None, typer.Option(min=1, show_default="100, 4000", help="Classes; may be repeated.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 4,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens per image; an image of 224 px has 49.")] = 49,
    rounds: Rounds = 10,
    out: Out = None,
) -> None:
    """Time self-attention, cross-attention and MLP by classes.

    The table shows the paper's Table 11 for comparison.
    """
    from experiments.bench.modules import ModuleBench, bench_modules

    bench = ModuleBench(classes=tuple(classes or (100, 4000)), batch_size=batch_size, tokens=tokens, rounds=rounds)
    measured(lambda progress: bench_modules(bench, progress), out)
