"""The tables on photographs: Table 8 and further ones on Corel5k, Table 8 on COCO's 48/17 split and on COCO stuff.

The photographs are not ours to give: docs/photographs.md says how to make the folders from downloads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from embeddings.io.errors import InputError, TrainingError
from embeddings.io.markup import shell
from embeddings.io.progress import Progress
from experiments.bench.harness import machine
from experiments.commands.options import Settings
from experiments.config.reading import load_config
from experiments.grids.driver import Driver
from experiments.grids.executors import Pool
from experiments.grids.folder import GridFolder
from experiments.grids.grid import table_grid
from experiments.grids.paper_tables import ABLATIONS, encoder_variants
from experiments.grids.variants import Ablation
from experiments.output.console import ConsoleProgress, make_console, stoppable, tell
from experiments.report.finished_table import finish_table
from experiments.runs.extraction import run_extraction
from experiments.tables.metric_table import metric_table
from experiments.tables.notes import paper_note, spread_note
from experiments.tables.table_folder import read_table_folder
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.tokens.writing import Extraction

MINILM = "sentence-transformers:all-MiniLM-L6-v2"
PROMPT = "a photo of a {}"
OTHERS = ("corpus", "random")  # encoders that need no file: vectors of the training tags, and the control


@dataclass(frozen=True)
class PhotoSet:
    """A zero-shot set of photographs: its title, the option that gives its folder, its recipe, and settings over it."""

    title: str
    folder: str
    recipe: str
    settings: tuple[str, ...]


SETS = {
    "corel5k": PhotoSet("Corel5k", "corel5k", "corel5k_photos", ("data.unseen=unseen_concepts.txt",)),
    "clean": PhotoSet(
        "Corel5k, 22 unseen labels", "corel5k", "photographs_groups", ("data.unseen=unseen_clean.txt",)
    ),  # test images are those that show an unseen label, and a fifth of the others
    "coco17": PhotoSet(
        "COCO, the 17 unseen labels of 48/17", "coco", "photographs_groups", ("data.unseen=unseen_17.txt",)
    ),
    "stuff": PhotoSet(
        "COCO stuff", "coco", "photographs_groups", ("data.labels=labels_stuff.csv", "data.unseen=unseen_stuff.txt")
    ),
}
# the tables by their names here: a key of `SETS`, and the name of the table
TABLES = {
    "table8": ("corel5k", "table8"),
    "nus-wide": ("corel5k", "nus-wide"),
    "grouping": ("corel5k", "grouping"),
    "group-size": ("corel5k", "group-size"),
    "augmentation": ("corel5k", "augmentation"),
    "encoders": ("corel5k", "encoders"),
    "readouts": ("corel5k", "readouts"),
    "clean-readouts": ("clean", "readouts"),
    "coco17-table8": ("coco17", "table8"),
    "coco17-readouts": ("coco17", "readouts"),
    "stuff-table8": ("stuff", "table8"),
    "stuff-readouts": ("stuff", "readouts"),
}


@dataclass(frozen=True)
class Study:
    """What all tables share.

    Args:
        out: the folder for tokens and tables.
        folders: the folders of the photographs that were given, by the name of their option.
        weights: a file of the backbone's weights; None downloads them.
        encoders: specs of text encoders. The first is that of all tables but `encoders`, which compares all of them.
        prompts: templates for `encoders`.
        seeds: trainings of each variant.
        workers: runs at the same time.
        settings: over every config.
    """

    out: Path
    folders: dict[str, Path]
    weights: Path | None
    encoders: Sequence[str]
    prompts: Sequence[str]
    seeds: int
    workers: int
    settings: Sequence[str]

    def extract(self, name: str, progress: Progress) -> Path:
        """Writes the tokens of a set, unless they are there, and returns their folder."""
        photos, out = SETS[name], self.out / "tokens" / name
        own = [f"data.root={self.folders[photos.folder]}", *photos.settings]
        own += [] if self.weights is None else [f"backbone.weights={self.weights}"]
        out.parent.mkdir(parents=True, exist_ok=True)
        run_extraction(load_config(photos.recipe, own), out, Extraction(), progress)
        return out

    def table(self, name: str, tokens: Path, progress: Progress) -> str:
        """Runs what is left of a table, and returns the table in Markdown.

        Raises:
            TrainingError: a run failed.
        """
        data, table = TABLES[name]
        ablation, photos, out = ABLATIONS[table], SETS[data], self.out / name
        own = ["data.name=tokens", f"data.root={tokens}", "backbone=none", *self.settings]
        recipe = "photographs" if table == "readouts" else photos.recipe  # which has prompts
        options = ["--config", recipe]
        if table == "encoders":
            compared = (*self.encoders, *OTHERS)
            ablation = replace(ablation, variants=encoder_variants(compared, self.prompts))
            options += [word for spec in compared for word in ("--encoder", spec)]
            options += [word for prompt in self.prompts for word in ("--prompt", prompt)]
        else:
            own.append(f"bank.encoder={self.encoders[0]}")
        options += [word for setting in own for word in ("--set", setting)]
        command = shell("zsl", "ablate", table, *options, "--seeds", str(self.seeds), "--out", str(out))
        grid = table_grid(ablation, load_config(recipe, [*ablation.settings, *own]), self.seeds)
        folder = GridFolder(out, grid)
        executor = Pool(self.workers) if self.workers > 1 else None
        ending = Driver(folder, progress, lambda line: tell(line, err=True), executor, retry_failed=True).run()
        if ending.failed:
            raise TrainingError(f"{out}: {len(ending.failed)} runs failed, {next(iter(ending.failed.items()))}")
        finish_table(out, grid.ablation, command, make_console(stderr=True))
        return _section(grid.ablation, photos.title, tokens, out)


def _section(ablation: Ablation, title: str, tokens: Path, out: Path) -> str:
    """A finished table as a section of a page, without F1@K."""
    folder, data = read_table_folder(out), TokensConfig(root=tokens, verify="size").load()
    table = metric_table(folder).whole()
    counts = f"{len(data.train.targets):,} training and {len(data.test.targets):,} test photographs"
    labels = f"{len(data.seen)} seen and {len(data.unseen)} unseen labels"
    told = f"`{folder.command}`: {counts}, {labels}. In percent; {spread_note(table)}. {paper_note(table, ablation)}"
    return f"## {ablation.caption} ({title})\n\n{told.rstrip()}\n\n{table.text().fitting(0).markdown()}"


def _head() -> str:
    """The page's first lines."""
    here = "; ".join(f"{name} {value}" for name, value in machine().items())
    return f"# Photographs, recorded\n\nPrinted by `python -m benchmarks photos`. {here}.\n"


def command(
    out: Annotated[Path, typer.Option(help="Folder to make for tokens and tables, or one to continue in.")],
    corel5k: Annotated[Path | None, typer.Option(help="Folder of Corel5k: labels.csv, test.txt and so on.")] = None,
    coco: Annotated[Path | None, typer.Option(help="Folder of COCO: labels.csv, labels_stuff.csv and so on.")] = None,
    weights: Annotated[Path | None, typer.Option(help="The backbone's weights, instead of a download.")] = None,
    encoder: Annotated[
        list[str] | None, typer.Option(help="A text encoder; the first is for all tables. May be repeated.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="A template for the table of encoders.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each variant.")] = 5,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this table; may be repeated.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 1,
    settings: Settings = None,
) -> None:
    """The tables on photographs; tokens are extracted once. A stopped command continues. Prints Markdown."""
    folders = {name: path for name, path in (("corel5k", corel5k), ("coco", coco)) if path is not None}
    names = chosen_tables(only or [], folders)
    study = Study(
        out, folders, weights, encoder or [MINILM], prompt or [PROMPT], seeds, workers, settings or []
    )  # fmt: skip
    tokens: dict[str, Path] = {}
    continues = stoppable(lambda: f"the same command continues with what is in {out}")
    typer.echo(_head())
    with continues, ConsoleProgress(make_console(stderr=True)) as progress:
        for name in names:
            data, _ = TABLES[name]
            if data not in tokens:
                tokens[data] = study.extract(data, progress)
            typer.echo(study.table(name, tokens[data], progress))


def chosen_tables(only: Sequence[str], folders: dict[str, Path]) -> list[str]:
    """The tables to make: those asked for, or all whose photographs are given.

    Raises:
        InputError: an unknown table, a table whose photographs are not given, no table at all.
    """
    for name in only:
        if name not in TABLES:
            raise InputError(f"unknown table {name!r}; known: {', '.join(TABLES)}")
        needed = SETS[TABLES[name][0]].folder
        if needed not in folders:
            raise InputError(f"the table {name} needs --{needed} FOLDER")
    found = [name for name, (data, _) in TABLES.items() if SETS[data].folder in folders]
    if not found:
        raise InputError("give --corel5k FOLDER or --coco FOLDER")
    return list(only) or found
