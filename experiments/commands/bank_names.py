"""Which names `zsl bank build` encodes: those of a text file, or of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.output.console import tell

if TYPE_CHECKING:
    from embeddings.encoders.encoder import TagLists


def read_names(labels: str, unseen: Path | None, settings: list[str]) -> tuple[tuple[str, ...], int, "TagLists | None"]:
    """The names (seen ones first), the number of seen names, and a dataset's tag lists (None for a file)."""
    from embeddings.io.errors import InputError
    from embeddings.texts import read_labels

    if labels.endswith(".toml") or not Path(labels).is_file():
        return _of_dataset(labels, unseen, settings)
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


def _of_dataset(
    recipe: str, unseen: Path | None, settings: list[str]
) -> tuple[tuple[str, ...], int, "TagLists | None"]:
    from embeddings.io.errors import InputError
    from experiments.config.reading import load_config
    from experiments.config.recipes import recipes
    from zsl.data.table import load_data

    if recipe not in recipes() and not recipe.endswith(".toml"):
        raise InputError(f"no file of label names or recipe {recipe!r}; recipes: {', '.join(recipes())}")
    if unseen is not None:
        raise InputError(f"{recipe} has unseen labels of its own; leave out --unseen")
    data = load_data(load_config(recipe, settings).data)
    return data.names, len(data.seen), data.tag_lists


def tell_unused(names: tuple[str, ...], option: str, path: Path | None) -> None:
    """Notes entries of a file that match no label: a typo, or a file that serves several banks."""
    if path is None:
        return
    from embeddings.io.spelling import nearest
    from embeddings.texts import read_aliases, read_descriptions

    given = read_aliases(path) if option == "--aliases" else read_descriptions(path)
    unused = [label for label in given if label not in set(names)]
    near = nearest(unused[0], names) if unused else None
    if unused:
        hint = f"; the nearest label is {near!r}" if near else ""
        tell(f"note: {option} has {len(unused)} entries that match no label, such as {unused[0]!r}{hint}", err=True)
