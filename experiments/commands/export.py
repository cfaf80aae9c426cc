"""`zsl export` and `zsl import-official`: models for elsewhere, and from elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from embeddings.io.markup import shell
from experiments.commands.predict import Company, Model, Normalise, Temperature, normalisation_of
from experiments.output.console import clear_errors, tell

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="For --onnx and --torch: fixed words, with commas, a text file with one per line, or a bank.",
        show_default="none: word vectors are an input",
    ),
]


@clear_errors
def export(
    run: Model,
    out: Annotated[Path | None, typer.Option(help="Folder to make for the model.")] = None,
    onnx: Annotated[Path | None, typer.Option(metavar="FILE", help="ONNX file to make.")] = None,
    torch: Annotated[Path | None, typer.Option(metavar="FILE", help="File of torch.export to make, .pt2.")] = None,
    backbone: Annotated[
        Literal["file", "public"],
        typer.Option(help="For --out: with the backbone's weights, or only the name and hash of timm's weights."),
    ] = "file",
    labels: Labels = None,
    company: Company = None,
    normalise: Normalise = None,
    temperature: Temperature = 1.0,
) -> None:
    """Write a trained model for use elsewhere: a folder that moves, an ONNX file, a file of torch.export.

    The folder has weights, word vectors, thresholds and a model card. It opens without the data of training: zsl
    predict FOLDER, or zsl.load(FOLDER) in Python. The files are for programs without this toolkit.
    """
    from embeddings.io.errors import InputError
    from experiments.output.files import check_new_file, new_folder
    from zsl.prediction.graph_files import export_onnx, export_torch
    from zsl.prediction.loading import load
    from zsl.prediction.model_folder import write_model

    files = [(path, write) for path, write in ((onnx, export_onnx), (torch, export_torch)) if path is not None]
    if out is None and not files:
        raise InputError("give --out FOLDER, --onnx FILE or --torch FILE")
    if not files and (labels is not None or company is not None):
        raise InputError("--labels and --company are for --onnx and --torch")
    for path, _ in files:
        check_new_file(path)
    how, model = normalisation_of(normalise, temperature), load(run)
    if how is not None:
        model.normalisation = how
    if out is not None:
        with new_folder(out) as made:
            write_model(model, made, backbone)
        tell_folder(out)
    for path, write in files:
        difference = write(model, path, labels, company)
        size = path.stat().st_size / 1e6
        tell(f"{path}: {size:.1f} MB; its logits differ from those of zsl predict by at most {difference:.0e}")


@clear_errors
def import_official(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Checkpoint of the official ML-Decoder code.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to make for the model.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Text file with the label names, one per line, in the order of training.",
            show_default="the names in the checkpoint, or those of the bank",
        ),
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Word vectors of the labels; the zero-shot head needs those of its training.",
            show_default="for a closed set, vectors from spelling",
        ),
    ] = None,
    image_size: Annotated[int, typer.Option(min=32, help="Side of the square that pictures are resized to.")] = 448,
) -> None:
    """Make a model from a published ML-Decoder checkpoint: a TResNet, and the group or zero-shot head.

    The folder is used like one of zsl export: zsl predict FOLDER IMAGE. Nothing in the checkpoint is unpickled.
    """
    from embeddings.banks.bank import Bank
    from embeddings.texts import read_labels
    from experiments.output.files import new_folder
    from zsl.prediction.model_folder import write_model
    from zsl.prediction.official import import_official

    names = None if labels is None else read_labels(labels)
    vectors = None if bank is None else Bank.load(bank)
    with new_folder(out) as made:
        model = import_official(file, names, vectors, image_size)
        write_model(model, made)
    backbone, head = model.facts.backbone or {}, model.facts.decoder or {}
    kind = "zero-shot" if head["official_queries"] else "group"
    tell(f"{file}: {backbone['name']}, {kind} head, {len(model.seen):,} labels, {image_size} px")
    tell_folder(out)


def tell_folder(folder: Path) -> None:
    """Says how large a model's folder is, and how it is used."""
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    use = shell("zsl", "predict", folder, "photo.jpg", "--labels", "sunset, harbour")
    tell(f"{folder}: {size:.1f} MB; use it: {use}")
