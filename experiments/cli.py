"""The `zsl` command. Heavy imports stay inside the commands, so that `zsl --help` answers at once."""

import functools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from experiments.ablation import Results

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

P = ParamSpec("P")
R = TypeVar("R")
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="A config value; may be repeated.")
]


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 160))


def _clear_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Bad input ends in one line and exit status 2, a failed run in one line and exit status 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from embeddings.errors import InputError, TrainingError

        try:
            return command(*args, **kwargs)
        except (InputError, TrainingError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from error

    return wrapped


@app.callback()
def main() -> None:
    """Zero-shot multi-label research: banks, ML-Decoder's group decoding, ablations."""


@app.command()
@_clear_errors
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make for the results.")] = Path("runs/demo"),
    settings: Settings = None,
) -> None:
    """The main job on built-in pictures, from nothing to Table 8 of the paper: about 3 minutes on two cores."""
    _ablate("table8", "demo", settings, 1, out)


@app.command()
@_clear_errors
def ablate(
    name: Annotated[str | None, typer.Argument(help="A table; see --list.")] = None,
    config: Annotated[str | None, typer.Option(help="A recipe or a TOML file, instead of the table's own.")] = None,
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of training, counted from train.seed.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder to make [default: runs/NAME].")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print what there is.")] = False,
) -> None:
    """A table of the paper."""
    from embeddings.errors import InputError
    from experiments.ablation import ABLATIONS

    if list_:
        for known, ablation in ABLATIONS.items():
            typer.echo(f"{known}  {ablation.caption}")
        return
    if name not in ABLATIONS:
        raise InputError(f"unknown ablation {name!r}; known: {', '.join(ABLATIONS)}")
    _ablate(name, config or ABLATIONS[name].recipe, settings, seeds, out or Path("runs") / name)


def _ablate(name: str, source: str, settings: list[str] | None, seeds: int, out: Path) -> None:
    from experiments.ablation import run_ablation
    from experiments.config import load_config
    from experiments.console import ConsoleProgress
    from zsl.training import is_main_process

    console = _console()
    config = load_config(source, settings or [])
    with ConsoleProgress(console) as progress:
        results = run_ablation(name, config, seeds, out, progress)
    if is_main_process():
        _show(results, out, console)


def _show(results: "Results", out: Path, console: Console) -> None:
    from experiments.tables import console_table, rows_of, save_plot, save_report

    header, rows = rows_of(results)
    save_plot(results, out / "plot.png")
    save_report(results, shlex.join(["zsl", *sys.argv[1:]]), out / "report.md")
    console.print(console_table(results.ablation.caption, header, rows, len(results.ablation.variants[0].axes)))
    console.print("Percent. The paper's column is its figure on NUS-WIDE.", highlight=False)
    console.print(f"{out}/: results.json, report.md, plot.png, runs/", highlight=False)


@app.command()
@_clear_errors
def train(
    config: Annotated[str, typer.Argument(help="A recipe or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Folder to make for the run.")],
    settings: Settings = None,
) -> None:
    """Trains one model; the test set is not looked at."""
    from experiments.config import load_config
    from experiments.console import ConsoleProgress
    from experiments.run import check_new, make_decoder, train_run
    from experiments.source import load_bank, open_source
    from zsl.training import is_main_process, make_accelerator

    console = _console()
    values = load_config(config, settings or [])
    check_new(out)
    with ConsoleProgress(console) as progress:
        source = open_source(values, make_accelerator(values.train.precision), progress)
        bank = load_bank(values.bank, source.data)
        make_decoder(values, 1, bank, len(source.data.seen))
        source.pretrain()
        train_run(values, source, bank, out)
    if is_main_process():
        console.print(f"trained; measure it with: zsl evaluate {out}", highlight=False, soft_wrap=True)


@app.command()
@_clear_errors
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of zsl train.")],
    bank: Annotated[Path | None, typer.Option(help="Another bank of word vectors, of the same width.")] = None,
    settings: Settings = None,
) -> None:
    """Tests a trained model on unseen labels (ZSL) and on all labels (GZSL)."""
    from experiments.console import ConsoleProgress
    from experiments.run import evaluate_run, open_run
    from experiments.tables import console_table, metrics_rows
    from zsl.training import is_main_process

    console = _console()
    with ConsoleProgress(console) as progress:
        source = open_run(run, settings or [], progress)
        metrics = evaluate_run(run, source, bank)
    if not is_main_process():
        return
    console.print(console_table(f"{run} on {source.data.name}", *metrics_rows(metrics)))
    console.print(
        f"Percent, {len(source.data.test.targets):,} test images, {len(source.data.seen)} seen and "
        f"{len(source.data.unseen)} unseen labels; labels without a positive are left out of mAP.",
        highlight=False,
    )
