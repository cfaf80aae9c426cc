"""The split JSON of ML-Decoder's zero-shot benchmark: {"train class": [...], "test class": [...]}."""

import json
from collections.abc import Sequence
from pathlib import Path

from embeddings import InputError
from embeddings.spelling import nearest
from embeddings.texts import read_labels


def read_split(path: Path, labels: Sequence[str], whole: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Seen and unseen names, in the file's order.

    Args:
        labels: every label of the data; where the file has no "train class" (the NUS-WIDE benchmark's has none), the
            seen labels are those that are not unseen, in this order.
        whole: whether such a file's unseen names must all be labels of the data.
    Raises:
        InputError: no such file, not the layout, a name twice or on both sides.
    """
    if not path.is_file():
        raise InputError(f"no split file {path}")
    try:
        split = json.loads(path.read_text("utf-8"))
        unseen = _names(split["test class"])
        seen = _names(split["train class"]) if "train class" in split else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f'{path} is not a split file ({error!r}); it holds lists "test class" and "train class"'
        ) from error
    if seen is None:
        if whole:
            check_known(unseen, labels, path)
        seen = tuple(name for name in dict.fromkeys(labels) if name not in set(unseen))
    if not seen or not unseen:
        raise InputError(f"{path} leaves no {'unseen' if seen else 'seen'} label")
    every = seen + unseen
    if len(set(every)) < len(every):
        twice = next(n for i, n in enumerate(every) if n in every[:i])
        raise InputError(f"{path} names {twice!r} twice; a label is seen or unseen, once")
    return seen, unseen


def check_known(unseen: Sequence[str], labels: Sequence[str], path: Path) -> None:
    """Unseen names are labels of the data: a misspelt one would leave the label among the seen.

    Raises:
        InputError: one is not.
    """
    known = set(labels)
    for name in unseen:
        if name not in known:
            near = nearest(name, known)
            hint = f" (nearest: {near!r})" if near else ""
            raise InputError(f"{path}: no image has label {name!r}{hint}; correct or remove it")


def without(labels: Sequence[str], unseen: Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The seen labels, those that a file of unseen names does not list, and the unseen ones, in the file's order.

    Without a file every label is seen.

    Raises:
        InputError: no such file, a name twice or one that is no label, no seen label left.
    """
    if unseen is None:
        return tuple(labels), ()
    chosen = read_labels(unseen)
    check_known(chosen, labels, unseen)
    seen = tuple(label for label in labels if label not in set(chosen))
    if not seen:
        raise InputError(f"{unseen} leaves no seen label")
    return seen, chosen


def _names(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise TypeError("not a list of names")
    return tuple(value.strip() for value in values)
