"""The `zsl` command. Heavy imports stay inside the commands, so that `zsl --help` answers at once."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from experiments import bank_cli, bench_cli, data_cli, evaluate_cli, report_cli
from experiments.console import ConsoleProgress, clear_errors, make_console

if TYPE_CHECKING:
    from experiments.ablation import Ablation, Results

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(evaluate_cli.app)
app.add_typer(bank_cli.app, name="bank")
app.add_typer(bench_cli.app, name="bench")
app.add_typer(data_cli.app, name="data")
app.command()(report_cli.report)

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="A config value; may be repeated.")
]


@app.callback()
def main() -> None:
    """Zero-shot multi-label research: banks, ML-Decoder's group decoding, ablations."""


@app.command()
@clear_errors
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make for the results.")] = Path("runs/demo"),
    settings: Settings = None,
) -> None:
    """The main job on built-in pictures, from nothing to Table 8 of the paper: about 3 minutes on two cores."""
    from experiments.ablation import ABLATIONS

    _ablate(ABLATIONS["table8"], "demo", settings, 1, out)


@app.command()
@clear_errors
def ablate(
    name: Annotated[str | None, typer.Argument(help="A table; see --list.")] = None,
    config: Annotated[str | None, typer.Option(help="A recipe or a TOML file, instead of the table's own.")] = None,
    encoder: Annotated[
        list[str] | None, typer.Option(help="For the table encoders: a spec to compare; repeat it. Instead of its own.")
    ] = None,
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of training, counted from train.seed.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder to make [default: runs/NAME].")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print what there is.")] = False,
) -> None:
    """A table of the paper, or a comparison of text encoders."""
    from embeddings.errors import InputError
    from experiments.ablation import ABLATIONS, encoder_variants

    if list_:
        for known, ablation in ABLATIONS.items():
            typer.echo(f"{known}  {ablation.caption}")
        return
    if name not in ABLATIONS:
        raise InputError(f"unknown ablation {name!r}; known: {', '.join(ABLATIONS)}")
    ablation = ABLATIONS[name]
    if encoder and name != "encoders":
        raise InputError(f"--encoder is for zsl ablate encoders; for {name} use --set bank.encoder=SPEC")
    if encoder:
        ablation = replace(ablation, variants=encoder_variants(encoder))
    _ablate(ablation, config or ablation.recipe, settings, seeds, out or Path("runs") / name)


def _ablate(ablation: "Ablation", source: str, settings: list[str] | None, seeds: int, out: Path) -> None:
    from experiments.ablation import run_ablation
    from experiments.config import load_config
    from zsl.acceleration import is_main_process

    console = make_console()
    config = load_config(source, [*ablation.settings, *(settings or [])])
    with ConsoleProgress(console) as progress:
        results = run_ablation(ablation, config, seeds, out, progress)
    if is_main_process():
        _show(results, out, console)


def _show(results: "Results", out: Path, console: Console) -> None:
    from experiments.report import write_report
    from experiments.report.folder import save_about
    from experiments.tables import APART, ONE_SEED, console_table, has_paper, rows_of, save_plot, save_report

    header, rows = rows_of(results)
    command = shlex.join(["zsl", *sys.argv[1:]])
    save_plot(results, out / "plot.png")
    save_report(results, command, out / "report.md")
    save_about(out, results.ablation.caption, command, [(v.axes, v.paper) for v in results.ablation.variants])
    write_report([out], out / "report.html")
    console.print(console_table(results.ablation.caption, header, rows, len(results.ablation.variants[0].axes)))
    paper = " The paper's column is its figure on NUS-WIDE." if has_paper(results.ablation) else ""
    several = len({record.seed for record in results.records}) > 1
    spread = f"mean ± standard deviation over seeds; {APART}" if several else ONE_SEED
    console.print(f"Percent; {spread}.{paper}", highlight=False)
    left = "report.html, report.md, results.json, table.json, table.tex, table.csv, plot.png, runs/"
    console.print(f"{out}/: {left}", highlight=False)


@app.command()
@clear_errors
def train(
    config: Annotated[str, typer.Argument(help="A recipe or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Folder to make for the run.")],
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped in this folder.")] = False,
) -> None:
    """Trains one model; the test set is not looked at."""
    from embeddings.errors import InputError
    from experiments.ablation import random_labels
    from experiments.config import flat, load_config
    from experiments.files import check_new
    from experiments.run import begin_run, make_decoder, pretrain_backbone, same_config, train_run
    from experiments.source import load_bank, open_source
    from zsl.acceleration import is_main_process, make_accelerator
    from zsl.checkpoint import Checkpoints

    console = make_console()
    values = load_config(config, settings or [])
    if not resume and (out / "begun.json").is_file() and not (out / "run.json").is_file():
        raise InputError(f"{out} holds a run that was begun; go on with it by --resume, or choose another --out")
    if not (resume and out.is_dir()):
        check_new(out)
    elif (out / "config.json").is_file():
        same_config(values, out)
    if (out / "run.json").is_file():
        Checkpoints(out / "checkpoint").remove()
        console.print(f"{out} is finished; measure it with: zsl evaluate {out}", highlight=False, soft_wrap=True)
        return
    with ConsoleProgress(console) as progress:
        accelerator = make_accelerator(values.train.precision, values.train.trackers, out)
        source = open_source(values, accelerator, progress)
        bank = load_bank(values.bank, source.data)
        make_decoder(values, 1, bank, len(source.data.seen))
        if source.frozen and values.backbone is not None and values.backbone.pretrain is None:
            _ = source.train  # an image that does not decode shows before anything is written
        begin_run(values, source, bank, out, resume)
        if values.train.trackers:
            accelerator.init_trackers("trackers", config={k: str(v) for k, v in flat(values.model_dump()).items()})
        pretrain_backbone(values, source, out)
        train_run(values, source, bank, out)
        accelerator.end_training()
    if is_main_process():
        filled = random_labels(bank)
        if filled:
            console.print(f"note: {filled} of {len(bank)} labels have random vectors, by bank.oov", highlight=False)
        console.print(f"trained; measure it with: zsl evaluate {out}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
