"""`zsl predict`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.output.console import ConsoleProgress, clear_errors, make_console, stoppable, tell

if TYPE_CHECKING:
    from zsl.readouts.normalisation import Normalisation

Model = Annotated[
    str, typer.Argument(metavar="RUN", help="Folder of a trained run or of an exported model, or hf-hub:OWNER/NAME.")
]
Images = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="Pictures: files, folders, patterns, or - for a list of paths on stdin."),
]
Words = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="Words with commas between them, a text file with one per line, or a bank.",
        show_default="the labels of the run",
    ),
]
Company = Annotated[
    Literal["anchored", "alone", "grouped"] | None,
    typer.Option(
        help="For group decoding: the group in which each word is asked. With grouped, words influence each other.",
        show_default="the model's choice",
    ),
]
How = Literal["none", "image", "softmax"]
Normalise = Annotated[
    How | None,
    typer.Option(
        help="How the scores of a picture are normalised by those of the seen labels.",
        show_default="as the run was measured, or as its thresholds need it",
    ),
]
Temperature = Annotated[float, typer.Option(help="For --normalise softmax: scores are divided by it.")]
Precision = Annotated[
    Literal["fp32", "auto", "bf16", "fp16"], typer.Option(help="Of the arithmetic; auto is bf16 where that is fast.")
]


@clear_errors
def predict(
    run: Model,
    images: Images,
    labels: Words = None,
    top: Annotated[int, typer.Option(min=1, help="Words shown for each picture.")] = 5,
    threshold: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|auto",
            help="Show only words with this score; auto takes the thresholds that zsl threshold chose.",
        ),
    ] = None,
    also: Annotated[Literal["seen"] | None, typer.Option("--with", help="Ask the seen labels of the run too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON: an object per picture and line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV: a row per word.")] = False,
    out: Annotated[Path | None, typer.Option(help="File to make, with --json or --csv.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the file of a command that was stopped.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures with their words beside them.")] = None,
    heat_maps: Annotated[
        Path | None, typer.Option(help="Folder for maps of where the model looked for each word, and a contact sheet.")
    ] = None,
    look: Annotated[
        Literal["evidence", "attention"] | None,
        typer.Option(
            help="What heat maps show: what a place adds to the word's logit, or how much attention it has.",
            show_default="the readout's default",
        ),
    ] = None,
    why: Annotated[
        Path | None,
        typer.Option(help="Folder for pages with the seen words and training pictures that are nearest."),
    ] = None,
    company: Company = None,
    normalise: Normalise = None,
    temperature: Temperature = 1.0,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Where the encoder of the run's words is now, if its files moved: the same weights.",
            show_default="that of training",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per batch.")] = 64,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that read pictures.", show_default="by the number of pictures"),
    ] = None,
    precision: Precision = "fp32",
) -> None:
    """Find words in pictures: any words, also those that the run was not trained on.

    A word's score does not depend on the other words that are asked. Pictures that cannot be read are counted.
    """
    from embeddings.io.errors import InputError
    from experiments.prediction.illustrations import Drawings
    from experiments.prediction.inputs import picture_paths
    from experiments.prediction.predicting import Output, Pace, Question, answer
    from zsl.prediction.prediction import Wanted

    if json and csv:
        raise InputError("give one of --json and --csv")
    if (out is not None or resume) and not (json or csv):
        raise InputError("--out and --resume need --json or --csv")
    if resume and out is None:
        raise InputError("--resume continues a file; give its --out")
    wanted = Wanted(top, _threshold(threshold))
    paths, how = picture_paths(images, sys.stdin), normalisation_of(normalise, temperature)
    question = Question(run, paths, labels, also is not None, wanted, company, how, encoder)
    form: Literal["text", "json", "csv"] = "json" if json else "csv" if csv else "text"
    drawings = Drawings(pictures, heat_maps, why, look)
    console = make_console(stderr=True)

    def how_to_continue() -> str:
        return "give the same command again" if out is None else "give the same command again with --resume"

    with stoppable(how_to_continue), ConsoleProgress(console) as progress:
        output, pace = Output(form, out, resume, drawings), Pace(batch_size, workers, precision)
        counted = answer(question, output, pace, progress, lambda text: typer.echo(text, nl=False))
    if counted.unreadable:
        tell(f"note: {counted.unreadable:,} of {counted.pictures:,} pictures could not be read", err=True)
    if counted.note:
        tell(counted.note, err=True)
    for place in filter(None, (out, *drawings.folders.values())):
        tell(f"{place}: {counted.pictures - counted.unreadable:,} pictures", err=True)


def normalisation_of(normalise: How | None, temperature: float) -> "Normalisation | None":
    """What --normalise and --temperature ask for; None leaves it to the model."""
    from embeddings.io.errors import InputError
    from zsl.readouts.normalisation import Normalisation

    if not temperature > 0 or (temperature != 1 and normalise != "softmax"):
        raise InputError(f"--temperature {temperature:g}: give a number above 0, with --normalise softmax")
    return None if normalise is None else Normalisation(normalise, temperature)


def _threshold(text: str | None) -> float | Literal["auto"] | None:
    from embeddings.io.errors import InputError

    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"--threshold {text}: give a number from 0 to 1, or auto") from error
