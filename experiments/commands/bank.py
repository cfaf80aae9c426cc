"""`zsl bank`: builds, extends and shows banks of word vectors."""

from pathlib import Path
from typing import Annotated, Any

import typer

from embeddings.io.markup import shell
from experiments.commands.app import Commands
from experiments.commands.bank_names import read_names, tell_unused
from experiments.output.console import ConsoleProgress, clear_errors, console_table, make_console, tell

app = Commands(help="Build, extend and inspect banks of word vectors.")

BankFile = Annotated[Path, typer.Argument(metavar="BANK", help="The file of a bank.")]
Out = Annotated[Path, typer.Option(help="File to write.")]
Descriptions = Annotated[
    Path | None, typer.Option(help="Texts to encode instead of names: lines label<TAB>text, or JSON.")
]
Aliases = Annotated[
    Path | None, typer.Option(help="Names to encode instead of labels' own: lines label<TAB>alias, or JSON.")
]
Cache = Annotated[bool, typer.Option(help="Keep encoded texts in $ZSL_CACHE, or else in ~/.cache/zsl.")]
# options of `build` only
Labels = Annotated[
    str, typer.Argument(help="A text file with one name per line; or a recipe, or a TOML file, of a dataset.")
]
Encoder = Annotated[str, typer.Option(help="A spec, such as lexical or gensim:FILE; see zsl bank encoders.")]
Unseen = Annotated[
    Path | None, typer.Option(help="The unseen names, which come last: a text file, or a split as JSON.")
]
Prompt = Annotated[
    list[str] | None,
    typer.Option(help="A template with {} for the name. May be repeated; the vectors are averaged."),
]
Prompts = Annotated[Path | None, typer.Option(help="A text file with one template per line.")]
Policy = Annotated[
    str,
    typer.Option(
        help="How to look up names that a table of words lacks: any of phrase, lower, singular, parts, subwords, then "
        "error, skip or random."
    ),
]
Transform = Annotated[
    list[str] | None,
    typer.Option(help="l2, center, whiten or pca:WIDTH, fitted on the seen labels. May be repeated; the order counts."),
]
Seed = Annotated[int, typer.Option(min=0, help="For encoders that draw random numbers.")]
DataSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="data.KEY=VALUE", help="A setting of the dataset's recipe. May be repeated."),
]


@app.command()
@clear_errors
def encoders() -> None:
    """Lists the encoders that a spec may name."""
    from embeddings.encoders.table import ENCODERS

    rows = [[name, family.source, family.width, family.licence] for name, family in ENCODERS.items()]
    make_console().print(console_table("Encoders", ["family", "source", "width", "licence"], rows, 4))
    tell("A spec is FAMILY or FAMILY:ARGUMENT; join several with +.")


@app.command()
@clear_errors
def build(
    labels: Labels,
    encoder: Encoder,
    out: Out,
    unseen: Unseen = None,
    prompt: Prompt = None,
    prompts: Prompts = None,
    descriptions: Descriptions = None,
    aliases: Aliases = None,
    oov: Policy = "phrase,lower,error",
    transform: Transform = None,
    seed: Seed = 0,
    cache: Cache = True,
    settings: DataSettings = None,
) -> None:
    """Builds a bank from label names with any text encoder."""
    from embeddings.io.cache import default_cache
    from embeddings.io.errors import InputError
    from experiments.output.files import check_new_file
    from zsl.runs.bank_config import BankConfig, check_order, make_bank

    if prompt and prompts:
        raise InputError("give --prompt or --prompts, not both")
    check_new_file(out)
    names, num_seen, tag_lists = read_names(labels, unseen, settings or [])
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
    for option, path in (("--aliases", aliases), ("--descriptions", descriptions)):
        tell_unused(names, option, path)
    with ConsoleProgress(make_console()) as progress:
        bank = make_bank(config, names, num_seen, tag_lists, default_cache() if cache else None, progress)
    bank.save(out)
    _tell(bank)


def _tell(bank: Any) -> None:
    from experiments.tables.bank_tables import summary, summary_lines

    for line in summary_lines(bank, summary(bank)):
        tell(line)


@app.command()
@clear_errors
def extend(
    bank: BankFile,
    labels: Annotated[Path, typer.Argument(help="A text file with one new name per line.")],
    out: Out,
    descriptions: Descriptions = None,
    aliases: Aliases = None,
    cache: Cache = True,
) -> None:
    """Adds unseen labels to a bank.

    They are encoded and transformed as the bank's own labels were.
    """
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
    labels: Annotated[bool, typer.Option("--labels", help="Also print how each label got its vector.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with how each label got its vector.")] = False,
) -> None:
    """Shows how a bank was made and what is in it.

    Prints coverage, norms and duplicates, and how labels without an exact match got their vectors.
    """
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
    k: Annotated[int, typer.Option("-k", min=1, help="Number of neighbours.")] = 10,
    seen: Annotated[bool, typer.Option("--seen", help="Only neighbours that are seen labels.")] = False,
) -> None:
    """Lists the labels nearest to a label, by cosine similarity."""
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
    a: Annotated[Path, typer.Argument(metavar="A", help="The file of a bank.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The file of another bank.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compares two banks over the labels that both have."""
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
    out: Annotated[Path, typer.Option(help="A new folder for map.png and nearest_seen.png.")],
) -> None:
    """Draws a map of the labels.

    Besides the 2-D map, a histogram shows how near unseen labels are to their nearest seen one.
    """
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
