"""The `zsl` command. Heavy imports stay inside the commands, so that `zsl --help` answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from embeddings.markup import shell
from experiments import ablate_cli, bank_cli, bench_cli, data_cli, evaluate_cli, report_cli
from experiments.console import ConsoleProgress, clear_errors, make_console

# without the markup that would take "[default: all]" in a help text for a style, and leave it out
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
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


app.command()(ablate_cli.demo)
app.command()(ablate_cli.ablate)


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
    from experiments.run import begin_run, pretrain_backbone, same_config, train_run
    from experiments.source import load_bank, open_source
    from zsl.acceleration import is_main_process, make_accelerator
    from zsl.checkpoint import Checkpoints
    from zsl.protocol import left_out, protocols
    from zsl.readouts import check_readout

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
        console.print(f"{out} is finished; measure it with: {shell('zsl', 'evaluate', out)}", soft_wrap=True)
        return
    with ConsoleProgress(console) as progress:
        accelerator = make_accelerator(values.train.precision, values.train.trackers, out)
        source = open_source(values, accelerator, progress)
        asked = {name: len(protocol.labels) for name, protocol in protocols(source.data).items()}
        for line in left_out(asked, values.evaluate.k) if accelerator.is_main_process else ():
            console.print(f"note: {line}", highlight=False, soft_wrap=True)
        bank = load_bank(values.bank, source.data)
        check_readout(values.decoder, 1, bank.embed_dim, len(source.data.seen), accelerator.device)
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
            console.print(f"note: {filled} of {len(bank)} labels have random vectors, by bank.oov")
        console.print(f"trained; measure it with: {shell('zsl', 'evaluate', out)}", soft_wrap=True)


if __name__ == "__main__":
    app()
