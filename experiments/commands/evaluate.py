"""`zsl evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Settings
from experiments.output.console import clear_errors, make_console

Runs = Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Folders of trained runs.")]
Scores = Annotated[
    list[Path] | None,
    typer.Option(
        "--from-scores",
        metavar="FILE",
        help="Scores of any system: .npy, .npz, .csv, or the folder RUN/scores; may be repeated.",
    ),
]
TargetsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="For --from-scores: the targets, as .npy, .npz or .csv.")
]
ConfigOfScores = Annotated[
    str | None,
    typer.Option(metavar="CONFIG", help="Instead of --targets: a recipe or a TOML file of the scores' dataset."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="For files without label names: the columns' names, one per line."),
]
UnseenFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="For --targets: the names of the unseen labels, one per line.")
]
Shift = Annotated[
    float | None,
    typer.Option(help="For --from-scores: a bias subtracted from seen scores; choose it on validation data."),
]
BankFile = Annotated[
    Path | None,
    typer.Option(
        metavar="BANK",
        help="For a run: another bank of the same width to test with; then nothing is written. For scores: word "
        "vectors, for the similarity to seen labels.",
    ),
]
Curve = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL", help="With --out: draw precision against recall of this label; may be repeated."),
]
Keep = Annotated[bool, typer.Option("--save-scores/--no-save-scores", help="Save a run's scores in its folder.")]
Mixed = Annotated[bool, typer.Option("--mixed-protocols", help="Compare results even if their protocols differ.")]
Companies = Annotated[
    bool,
    typer.Option(
        "--check-company",
        help="For runs: read the validation images too, and say which evaluate.company suits labels that are asked as "
        "if they were unseen.",
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder to make for the results of --from-scores or of a comparison.")]


@clear_errors
def evaluate(
    runs: Runs = None,
    scores: Scores = None,
    targets: TargetsFile = None,
    config: ConfigOfScores = None,
    labels: LabelsFile = None,
    unseen: UnseenFile = None,
    shift: Shift = None,
    bank: BankFile = None,
    curve: Curve = None,
    keep: Keep = True,
    mixed: Mixed = False,
    companies: Companies = False,
    out: Out = None,
    settings: Settings = None,
) -> None:
    """Measure runs, or scores of any system, on unseen labels (ZSL), all labels (GZSL) and seen labels.

    Several runs or files of scores are shown side by side.
    """
    from experiments.tables.evaluations import Asked
    from experiments.tables.evaluations import evaluate as evaluate_asked
    from experiments.tables.given_scores import Given

    given = Given(targets, config, labels, unseen, shift, bank, settings or ())
    asked = Asked(runs or (), scores or (), given, curve or (), keep, mixed, out, companies)
    evaluate_asked(asked, make_console())
