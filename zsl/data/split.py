"""The split JSON of ML-Decoder's zero-shot benchmark: {"train class": [...], "test class": [...]}."""

import json
from pathlib import Path

from embeddings import InputError


def read_split(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Seen and unseen names, in the file's order.

    Raises:
        InputError: no such file, not the layout, a name twice or on both sides.
    """
    if not path.is_file():
        raise InputError(f"no split file {path}")
    try:
        split = json.loads(path.read_text("utf-8"))
        seen, unseen = (tuple(str(n).strip() for n in split[key]) for key in ("train class", "test class"))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f'{path} is not a split file ({error!r}); it holds "train class" and "test class"') from error
    if not seen or not unseen:
        raise InputError(f"{path} names no {'unseen' if seen else 'seen'} label")
    every = seen + unseen
    if len(set(every)) < len(every):
        twice = next(n for i, n in enumerate(every) if n in every[:i])
        raise InputError(f"{path} names {twice!r} twice; a label is seen or unseen, once")
    return seen, unseen
