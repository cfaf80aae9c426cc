"""The split JSON of ML-Decoder's zero-shot benchmark: {"train class": [...], "test class": [...]}."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embeddings.encoders.oov import singulars
from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name, sets_apart
from embeddings.io.reading import read_json
from embeddings.texts import read_labels

SHOWN = 10


def read_split(path: Path, labels: Sequence[str], whole: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Seen and unseen names, in the file's order.

    Args:
        path: the file.
        labels: every label of the data. If the file has no "train class" (that of the NUS-WIDE benchmark has none), all
            labels that are not unseen are seen, in this order.
        whole: whether all unseen names of such a file must be labels of the data.
    Returns:
        names of seen and of unseen labels.
    Raises:
        InputError: same as for `read_json` and `label_name`; another layout; a name that appears twice, or as seen and
            unseen.
    """
    split = read_json(path, "the split")
    if not isinstance(split, dict) or "test class" not in split:
        raise InputError(f'{path} is not a split file; it holds lists "test class" and "train class"')
    unseen = _names(split, "test class", path)
    seen = _names(split, "train class", path) if "train class" in split else None
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
    """Checks that no unseen name without images is another spelling of a label, which would then stay seen.

    Args:
        unseen: the unseen names.
        labels: every label of the data.
        path: the file of the unseen names, for the message.
    Raises:
        InputError: some are other spellings of a label; the message names them.
    """
    known = set(labels)
    of_form = {form: label for label in labels for form in forms(label)}
    meant = [
        (name, next(of_form[form] for form in forms(name) if form in of_form))
        for name in unseen
        if name not in known and not of_form.keys().isdisjoint(forms(name))
    ]
    if meant:
        told = ", ".join(f"{name!r} (the data has {label!r})" for name, label in meant[:SHOWN])
        more = f" and {len(meant) - SHOWN} more" if len(meant) > SHOWN else ""
        raise InputError(f"{path}: no image has label {told}{more}; correct or remove it")


def forms(name: str) -> tuple[str, ...]:
    """Forms that other spellings of a name share: without case, blanks and punctuation, in plural and singular."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    plain = "".join(filter(sets_apart, folded)) or folded
    return (plain, *singulars(plain))


def without(labels: Sequence[str], unseen: Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divides labels by a file of unseen names, one per line; without a file every label is seen.

    Returns:
        seen labels, in the order of `labels`, and unseen labels, in the file's order.
    Raises:
        InputError: no such file, a name that appears twice or is not a label, no seen label left.
    """
    if unseen is None:
        return tuple(labels), ()
    chosen = read_labels(unseen)
    check_known(chosen, labels, unseen)
    taken = set(chosen)
    seen = tuple(label for label in labels if label not in taken)
    if not seen:
        raise InputError(f"{unseen} leaves no seen label")
    return seen, chosen


def _names(split: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    values, place = split[key], f'{path}: "{key}"'
    if not isinstance(values, list):
        raise InputError(f"{place} is {brief(values)}, not a list of names")
    return tuple(label_name(value, place) for value in values)
