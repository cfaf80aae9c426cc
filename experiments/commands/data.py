"""`zsl data`: auditing a dataset, and caching a frozen backbone's tokens."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, tell

app = typer.Typer(no_args_is_help=True, help="Datasets: audit one, cache a frozen backbone's tokens of it.")

ConfigArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="A recipe or a TOML file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="A config value; may be repeated.")
]


@app.command()
@clear_errors
def check(
    config: ConfigArgument,
    settings: Settings = None,
    bank: Annotated[Path | None, typer.Option(help="A bank in which every label should have a vector.")] = None,
    decode: Annotated[bool, typer.Option(help="Decode every image.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    state: Annotated[Path | None, typer.Option(help="A file that remembers images looked at, to go on later.")] = None,
    bad: Annotated[Path | None, typer.Option(help="A file to list broken images in, for data.exclude.")] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the findings.")] = None,
) -> None:
    """Audits a dataset before hours are spent on it; exit status 1 if an item is an error."""
    import json
    from dataclasses import asdict

    from embeddings.banks.bank import Bank
    from embeddings.io import atomic
    from experiments.config.reading import load_config
    from experiments.output.files import check_new_file
    from zsl.data.audit import audit, look_at_images
    from zsl.data.dataset import ImageFiles
    from zsl.data.layouts.assembly import ImagesConfig
    from zsl.data.table import load_data

    for path in (bad, out):
        if path is not None:
            check_new_file(path)
    if state is not None and not state.is_file():
        check_new_file(state)
    console = make_console()
    with ConsoleProgress(console) as progress:
        chosen = load_config(config, settings or []).data
        if isinstance(chosen, ImagesConfig):
            chosen = chosen.model_copy(update={"missing": "skip"})  # told of with the broken ones
        data = load_data(chosen)
        loaded = None if bank is None else Bank.load(bank)
        files = isinstance(data.train.inputs, ImageFiles)
        look = look_at_images(data, workers, state, progress) if decode and files else None
    findings = audit(data, loaded, look)
    rows = [[finding.item, finding.verdict, finding.message] for finding in findings]
    console.print(console_table(f"{data.name}", ["item", "verdict", "finding"], rows, 3))
    content = {"data": data.name, "fingerprint": data.fingerprint, "findings": [asdict(f) for f in findings]}
    broken = "".join(f"{path}\n" for path in [*data.missing, *(look.broken if look else ())])
    with ExitStack() as stack:  # both files or none
        for path, text in ((bad, broken), (out, json.dumps(content, indent=1) + "\n")):
            if path is not None:
                stack.enter_context(atomic.replacing(path)).write(text.encode())
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)


@app.command()
@clear_errors
def extract(
    config: ConfigArgument,
    out: Annotated[Path, typer.Option(help="Folder to make; one that was begun before is gone on with.")],
    settings: Settings = None,
    views: Annotated[int, typer.Option(min=1, help="Of every training image: itself, and augmented ones.")] = 1,
    dtype: Annotated[Literal["bf16", "fp16"], typer.Option(help="Of the stored tokens.")] = "bf16",
    rows: Annotated[int, typer.Option(min=1, help="Images in a shard.")] = 2048,
    skip_unreadable: Annotated[bool, typer.Option(help="Leave out images that do not decode, and list them.")] = False,
) -> None:
    """Writes a frozen backbone's tokens to disk; train from them with data.name=tokens and data.root=OUT."""
    from experiments.config.reading import load_config
    from experiments.runs.extraction import run_extraction
    from zsl.acceleration import is_main_process

    values = load_config(config, settings or [], trains=True)
    with ConsoleProgress(make_console()) as progress:
        told = run_extraction(values, out, views, dtype, rows, skip_unreadable, progress)
    if is_main_process():
        tell(told)
