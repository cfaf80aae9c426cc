"""`zsl bank`: making, extending and looking at embedding banks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from embeddings.io.markup import shell
from experiments.commands.app import Commands
from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, tell

if TYPE_CHECKING:
    from embeddings.encoders.encoder import TagLists

app = Commands(help="Build word-vector banks, extend them, look at them.")

BankFile = Annotated[Path, typer.Argument(metavar="BANK", help="A bank's file.")]
Out = Annotated[Path, typer.Option(help="File to write.")]
DescriptionsFile = Annotated[
    Path | None, typer.Option(help="Texts to encode in a label's stead: label<TAB>text lines, or JSON.")
]
AliasesFile = Annotated[Path | None, typer.Option(help="Names to use for labels': label<TAB>alias lines, or JSON.")]
Cache = Annotated[bool, typer.Option(help="Keep encoded texts in $ZSL_CACHE [default: ~/.cache/zsl].")]


@app.command()
@clear_errors
def encoders() -> None:
    """The encoders: what a spec may name."""
    from embeddings.encoders.table import ENCODERS

    rows = [[name, family.source, family.width, family.licence] for name, family in ENCODERS.items()]
    make_console().print(console_table("Encoders", ["family", "source", "width", "licence"], rows, 4))
    tell("A spec is FAMILY or FAMILY:ARGUMENT; join several with +.")


@app.command()
@clear_errors
def build(
    labels: Annotated[str, typer.Argument(help="A text file, one name a line; or a dataset's recipe or TOML file.")],
    encoder: Annotated[str, typer.Option(help="A spec; see zsl bank encoders.")],
    out: Out,
    unseen: Annotated[
        Path | None, typer.Option(help="The unseen names: a text file or a split JSON. They come last.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="A template with {} for the name; several are averaged.")
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="A file of templates, one a line.")] = None,
    descriptions: DescriptionsFile = None,
    aliases: AliasesFile = None,
    oov: Annotated[
        str,
        typer.Option(
            help="Policy for names out of vocabulary, of: phrase lower singular parts subwords, "
            "then error, skip or random."
        ),
    ] = "phrase,lower,error",
    transform: Annotated[
        list[str] | None, typer.Option(help="l2, center, whiten or pca:WIDTH, fitted on seen labels; in order.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of encoders that draw numbers.")] = 0,
    cache: Cache = True,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="data.KEY=VALUE", help="For a dataset's recipe.")
    ] = None,
) -> None:
    """Makes a bank of label names with any text encoder."""
    from embeddings.io.cache import default_cache
    from embeddings.io.errors import InputError
    from experiments.output.files import check_new_file
    from zsl.runs.bank_config import BankConfig, check_order, make_bank

    if prompt and prompts:
        raise InputError("give --prompt or --prompts, not both")
    check_new_file(out)
    names, num_seen, tag_lists = _names(labels, unseen, settings or [])
    if unseen is not None or tag_lists is not None:
        check_order(encoder)
    config = BankConfig(
        encoder=encoder,
        prompts=prompts or tuple(prompt or ("{}",)),
        descriptions=descriptions,
        aliases=aliases,
        oov=tuple(step.strip() for step in oov.split(",") if step.strip()),
        transforms=tuple(name.strip() for given in transform or () for name in given.split(",")),
        seed=seed,
    )
    console = make_console()
    for option, path in (("--aliases", aliases), ("--descriptions", descriptions)):
        _tell_unused(names, option, path)
    with ConsoleProgress(console) as progress:
        bank = make_bank(config, names, num_seen, tag_lists, default_cache() if cache else None, progress)
    bank.save(out)
    _tell(bank)


def _names(labels: str, unseen: Path | None, settings: list[str]) -> tuple[tuple[str, ...], int, "TagLists | None"]:
    """Names, seen ones first, how many are seen, and the tag lists of a dataset."""
    from embeddings.io.errors import InputError
    from embeddings.texts import read_labels

    if labels.endswith(".toml") or not Path(labels).is_file():
        return _names_of_dataset(labels, unseen, settings)
    if settings:
        raise InputError("--set is for a dataset's recipe, not for a file of names")
    seen = read_labels(Path(labels))
    if unseen is None:
        return seen, len(seen), None
    if unseen.suffix == ".json":
        from zsl.data.layouts.split import read_split

        _, last = read_split(unseen, seen)
    else:
        last = read_labels(unseen)
    seen = tuple(name for name in seen if name not in set(last))
    if not seen:
        raise InputError(f"every name of {labels} is in {unseen}: no seen label is left")
    return seen + last, len(seen), None


def _names_of_dataset(
    recipe: str, unseen: Path | None, settings: list[str]
) -> tuple[tuple[str, ...], int, "TagLists | None"]:
    from embeddings.io.errors import InputError
    from experiments.config.reading import load_config
    from experiments.config.recipes import recipes
    from zsl.data.table import load_data

    if recipe not in recipes() and not recipe.endswith(".toml"):
        raise InputError(f"no file of label names {recipe!r}, and no recipe; recipes: {', '.join(recipes())}")
    if unseen is not None:
        raise InputError(f"the unseen labels of {recipe} are its own; leave out --unseen")
    data = load_data(load_config(recipe, settings).data)
    return data.names, len(data.seen), data.tag_lists


def _tell_unused(names: tuple[str, ...], option: str, path: Path | None) -> None:
    """Entries of a file that are for no label: one file may serve many banks, but it may also be a slip."""
    if path is None:
        return
    from embeddings.io.spelling import nearest
    from embeddings.texts import read_aliases, read_descriptions

    given = read_aliases(path) if option == "--aliases" else read_descriptions(path)
    unused = [label for label in given if label not in set(names)]
    near = nearest(unused[0], names) if unused else None
    if unused:
        hint = f"; the nearest label is {near!r}" if near else ""
        tell(f"note: {option} has {len(unused)} entries for no label, such as {unused[0]!r}{hint}", err=True)


def _tell(bank: Any) -> None:
    from experiments.tables.bank_tables import summary, summary_lines

    for line in summary_lines(bank, summary(bank)):
        tell(line)


@app.command()
@clear_errors
def extend(
    bank: BankFile,
    labels: Annotated[Path, typer.Argument(help="A text file of new names, one a line.")],
    out: Out,
    descriptions: DescriptionsFile = None,
    aliases: AliasesFile = None,
    cache: Cache = True,
) -> None:
    """Adds unseen labels to a bank, encoded and transformed as its own were."""
    from embeddings.banks.bank import Bank
    from embeddings.banks.build import extend_bank
    from embeddings.io.cache import default_cache
    from embeddings.texts import read_aliases, read_descriptions, read_labels
    from experiments.output.files import check_new_file

    check_new_file(out)
    with ConsoleProgress(make_console()) as progress:
        longer = extend_bank(
            Bank.load(bank),
            read_labels(labels),
            descriptions=None if descriptions is None else read_descriptions(descriptions),
            aliases=None if aliases is None else read_aliases(aliases),
            cache=default_cache() if cache else None,
            progress=progress,
        )
    longer.save(out)
    _tell(longer)


@app.command()
@clear_errors
def show(
    bank: BankFile,
    labels: Annotated[bool, typer.Option("--labels", help="What was done for each label.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the notes of all labels.")] = False,
) -> None:
    """What is in a bank: coverage, norms, duplicates, and how it was made."""
    import json

    from embeddings.banks.bank import Bank
    from experiments.tables.bank_tables import summary, summary_lines

    loaded = Bank.load(bank)
    told = summary(loaded)
    if as_json:
        typer.echo(json.dumps(told | {"notes": dict(zip(loaded.labels, loaded.notes, strict=True))}, indent=1))
        return
    for line in summary_lines(loaded, told):
        tell(line)
    for remark in loaded.provenance.remarks:
        tell(f"note: {remark}")
    noted = [(label, note) for label, note in zip(loaded.labels, loaded.notes, strict=True) if note or labels]
    for label, note in noted if labels else noted[:20]:
        tell(f"  {label}: {note or 'as it stands'}")
    if not labels and len(noted) > 20:
        tell(f"  ... {len(noted) - 20} more; {shell('zsl', 'bank', 'show', bank, '--labels')} lists all")


@app.command()
@clear_errors
def neighbors(
    bank: BankFile,
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="Labels of the bank.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
    seen: Annotated[bool, typer.Option("--seen", help="Among the seen labels alone.")] = False,
) -> None:
    """The labels nearest to a label by cosine similarity."""
    from embeddings.banks.bank import Bank
    from embeddings.banks.similarity import neighbors as nearest
    from embeddings.io.names import label_name

    loaded = Bank.load(bank)
    unseen = set(loaded.unseen)
    for label in [label_name(given, "LABEL") for given in labels]:
        found = nearest(loaded, label, k, loaded.seen if seen else None)
        tell(f"{label} ({'unseen' if label in unseen else 'seen'})")
        for name, similarity in found:
            tell(f"  {similarity:6.3f}  {name}{' (unseen)' if name in unseen else ''}")


@app.command()
@clear_errors
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A bank's file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another's.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """How far two banks agree about the labels that both have."""
    import json
    from dataclasses import asdict

    from embeddings.banks.bank import Bank
    from embeddings.banks.similarity import compare as compared
    from experiments.tables.bank_tables import comparison_rows

    result = compared(Bank.load(a), Bank.load(b))
    if as_json:
        typer.echo(json.dumps(asdict(result), indent=1))
        return
    title = f"A: {a}  B: {b}"
    make_console().print(console_table(title, ["", "value", ""], comparison_rows(result)))


@app.command()
@clear_errors
def plot(
    bank: BankFile,
    out: Annotated[Path, typer.Option(help="Folder for map.png and nearest_seen.png.")],
) -> None:
    """A 2-D map of the labels, and the histogram of unseen labels' nearest seen similarity."""
    from embeddings.banks.bank import Bank
    from experiments.output.files import filling
    from experiments.tables.bank_tables import save_map, save_nearest_seen

    loaded = Bank.load(bank)
    with filling(out) as folder:
        save_map(loaded, folder / "map.png")
        if loaded.unseen:
            save_nearest_seen(loaded, folder / "nearest_seen.png")
    tell(f"{out / 'map.png'}")
    if loaded.unseen:
        tell(f"{out / 'nearest_seen.png'}")
    else:
        tell("the bank has no unseen label, so there is no histogram of their nearest seen ones")
