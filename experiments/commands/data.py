"""`zsl data`: checks a dataset, and writes the tokens that a frozen backbone makes of it."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.commands.app import Commands
from experiments.commands.options import ConfigArgument, Settings
from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, stoppable, tell

if TYPE_CHECKING:
    from zsl.data.audit import Finding, Look
    from zsl.data.dataset import MultiLabelData

app = Commands(help="Check a dataset; store a frozen backbone's tokens.")


@app.command()
@clear_errors
def check(
    config: ConfigArgument,
    settings: Settings = None,
    bank: Annotated[Path | None, typer.Option(help="A bank in which every label should have a vector.")] = None,
    decode: Annotated[bool, typer.Option(help="Decode every image.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode images.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="A file that records which images were decoded, so that a later call continues.")
    ] = None,
    bad: Annotated[Path | None, typer.Option(help="A file to list broken images in, for data.exclude.")] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file for the findings.")] = None,
) -> None:
    """Check a dataset before you spend hours on it.

    The exit status is 1 if a finding is an error.
    """
    from embeddings.banks.bank import Bank
    from experiments.config.reading import load_config
    from experiments.output.files import check_new_file
    from zsl.data.audit import audit, look_at_images
    from zsl.data.layouts.assembly import ImagesConfig
    from zsl.data.pictures import Pictures
    from zsl.data.table import load_data

    for path in (bad, out, None if state is None or state.is_file() else state):
        if path is not None:
            check_new_file(path)
    console = make_console()
    with ConsoleProgress(console) as progress:
        chosen = load_config(config, settings or []).data
        if isinstance(chosen, ImagesConfig):
            chosen = chosen.model_copy(update={"missing": "skip"})  # missing images are reported with the broken ones
        data = load_data(chosen)
        loaded = None if bank is None else Bank.load(bank)
        pictures = isinstance(data.train.inputs, Pictures)
        look = look_at_images(data, workers, state, progress) if decode and pictures else None
    findings = audit(data, loaded, look)
    rows = [[finding.item, finding.verdict, finding.message] for finding in findings]
    console.print(console_table(data.name, ["item", "verdict", "finding"], rows, 3))
    _save_findings(data, findings, look, bad, out)
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)


def _save_findings(
    data: "MultiLabelData", findings: "list[Finding]", look: "Look | None", bad: Path | None, out: Path | None
) -> None:
    """Writes both files, or neither."""
    from embeddings.io import atomic

    content = {"data": data.name, "fingerprint": data.fingerprint, "findings": [asdict(f) for f in findings]}
    broken = "".join(f"{path}\n" for path in [*data.missing, *(look.broken if look else ())])
    with ExitStack() as stack:
        for path, text in ((bad, broken), (out, json.dumps(content, indent=1) + "\n")):
            if path is not None:
                stack.enter_context(atomic.replacing(path)).write(text.encode())


@app.command()
@clear_errors
def extract(
    config: ConfigArgument,
    out: Annotated[Path, typer.Option(help="Folder to make, or one in which to continue the same command.")],
    settings: Settings = None,
    views: Annotated[
        int, typer.Option(min=1, help="Views of each training image: the image itself, then augmented ones.")
    ] = 1,
    dtype: Annotated[Literal["bf16", "fp16"], typer.Option(help="Precision of the stored tokens.")] = "bf16",
    rows: Annotated[int, typer.Option(min=1, help="Images in a shard.")] = 2048,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that do not decode, and list them.")
    ] = False,
) -> None:
    """Write the tokens of a dataset under a frozen backbone to disk.

    Train from them with --set data.name=tokens --set data.root=OUT.
    """
    from experiments.config.reading import load_config
    from experiments.runs.extraction import run_extraction
    from zsl.acceleration import is_main_process
    from zsl.data.tokens.writing import Extraction

    values = load_config(config, settings or [], trains=True)
    stored = Extraction(dtype, views, rows, skip_unreadable=skip_unreadable)
    continues = stoppable(lambda: f"the same command continues with what is in {out}")
    with continues, ConsoleProgress(make_console()) as progress:
        told = run_extraction(values, out, stored, progress)
    if is_main_process():
        tell(told)
