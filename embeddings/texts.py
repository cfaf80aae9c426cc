"""From label names to the texts that are encoded; reads files of names, prompts, descriptions and aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, composed, is_text, label_name
from embeddings.io.reading import open_text, read_json, without_zeros
from embeddings.io.spelling import nearest

Descriptions = Mapping[str, str | Sequence[str]]
Aliases = Mapping[str, str]


def read_lines(path: Path, what: str) -> list[tuple[int, str]]:
    """The non-blank lines of a text file, stripped, each with its line number (the first line is 1).

    Args:
        path: the file.
        what: what it should hold, for messages.
    Returns:
        (line number, text) of each line, in order.
    Raises:
        InputError: same as for `open_text`; a zero byte; a file with blank lines only.
    """
    with open_text(path, what) as file:
        numbered = enumerate(map(str.strip, without_zeros(file, path)), 1)
        lines = [(number, line) for number, line in numbered if line]
    if not lines:
        raise InputError(f"{path} holds no {what}")
    return lines


def read_labels(path: Path) -> tuple[str, ...]:
    """The label names of a text file, one per line.

    Args:
        path: the file; blank lines are skipped.
    Returns:
        the names in order, in Unicode's composed form (NFC).
    Raises:
        InputError: same as for `read_lines` and `label_name`; a JSON file; a name that appears twice.
    """
    if path.suffix == ".json":
        raise InputError(f"{path} is JSON; give label names as a text file, one per line")
    first: dict[str, int] = {}
    for number, line in read_lines(path, "label names"):
        label = label_name(line, f"{path}:{number}")
        if label in first:
            raise InputError(f"{path}:{number}: label {label!r} is also on line {first[label]}; remove one")
        first[label] = number
    return tuple(first)


def read_prompts(path: Path) -> tuple[str, ...]:
    """The prompt templates of a text file, one per line, each with `{}` where the name goes.

    Args:
        path: the file.
    Returns:
        the templates, in order.
    Raises:
        InputError: as `read_lines`; a template without `{}`.
    """
    lines = read_lines(path, "prompt templates")
    for number, prompt in lines:
        check_prompt(prompt, f"{path}:{number}: ")
    return tuple(prompt for _, prompt in lines)


def check_prompt(prompt: str, place: str = "") -> None:
    """Checks that a template has `{}`, where the name goes.

    Args:
        prompt: the template.
        place: file and line, with which the message begins; "" for none.
    Raises:
        InputError: the template has no `{}`.
    """
    if "{}" not in prompt:
        raise InputError(f"{place}prompt template {prompt!r} must hold {{}}, where the name goes")


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """The descriptions of labels.

    Args:
        path: lines "label<TAB>text", any number of lines per label, or JSON {"label": ["text", ...]}.
    Returns:
        each label's texts, in order.
    Raises:
        InputError: same as for `read_lines` and `read_json`; another layout; an empty text.
    """
    found: dict[str, list[str]] = {}
    for place, label, text in _pairs(path, "descriptions"):
        if not text:
            raise InputError(f"{place}label {label!r} has an empty description; write one or remove it")
        found.setdefault(label, []).append(text)
    return {label: tuple(texts) for label, texts in found.items()}


def read_aliases(path: Path) -> dict[str, str]:
    """The aliases of labels: other names, which are encoded instead of the labels' own.

    Args:
        path: lines "label<TAB>alias", or JSON {"label": "alias"}.
    Returns:
        the alias of each label in the file.
    Raises:
        InputError: same as for `read_lines` and `read_json`; another layout; an empty alias; two aliases of one label.
    """
    found: dict[str, str] = {}
    for place, label, alias in _pairs(path, "aliases"):
        if not alias or label in found:
            raise InputError(f"{place}label {label!r} needs one alias; remove the line or correct it")
        found[label] = alias
    return found


def _pairs(path: Path, what: str) -> list[tuple[str, str, str]]:
    """For each entry: its place in the file (for messages), the label and the text."""
    if path.suffix == ".json":
        return _pairs_of_json(path, what)
    pairs = []
    for number, line in read_lines(path, what):
        label, tab, text = line.partition("\t")
        if not tab or "\t" in text:
            raise InputError(f"{path}:{number}: write the label, one tab, then the text")
        pairs.append((f"{path}:{number}: ", label_name(label, f"{path}:{number}"), text.strip()))
    return pairs


def _pairs_of_json(path: Path, what: str) -> list[tuple[str, str, str]]:
    layout = '{"label": "text"} or {"label": ["text", ...]}'
    table = read_json(path, what)
    if not isinstance(table, dict):
        raise InputError(f"{path} is not JSON {layout}; it holds {brief(table)}")
    pairs = []
    for key, texts in table.items():
        given = [texts] if isinstance(texts, str) else texts
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            raise InputError(f"{path} is not JSON {layout}: label {brief(key)} has a text that is not a string")
        label = label_name(key, str(path))
        pairs += [(f"{path}: ", label, text.strip()) for text in given or [""]]
    return pairs


@dataclass(frozen=True)
class Texts:
    """The texts of labels.

    Args:
        distinct: every text once.
        rows: the rows in `distinct` of the first label's texts, then the second one's, and so on.
        counts: (label,) number of texts.
        notes: for each label, its alias and descriptions; "" if it has none.
        averaged: whether a label's vector is the mean of its texts' vectors, each scaled to norm 1, also for one text.
    """

    distinct: tuple[str, ...]
    rows: np.ndarray
    counts: np.ndarray
    notes: tuple[str, ...]
    averaged: bool


def texts_of(
    labels: Sequence[str], prompts: Sequence[str], descriptions: Descriptions | None, aliases: Aliases | None
) -> Texts:
    """Each label's texts: its descriptions if descriptions are given, else its name or alias in every template.

    Args:
        labels: the names.
        prompts: templates, each with `{}`.
        descriptions: for each label, one or several texts; None encodes the names.
        aliases: for a label, the name that is encoded instead of its own.
    Returns:
        the distinct texts, and which of them belong to each label.
    Raises:
        InputError: a template without `{}`; prompts and descriptions together; a label without a description; a text
            that is not valid Unicode.
    """
    for prompt in prompts:
        check_prompt(prompt)
    if not prompts:
        raise InputError("give at least one prompt template; '{}' is the name alone")
    if descriptions is not None and tuple(prompts) != ("{}",):
        raise InputError("descriptions are encoded as they are: give prompts or descriptions, not both")
    aliases = aliases or {}
    notes = [f"alias {aliases[label]!r}" if label in aliases else "" for label in labels]
    names = [aliases.get(label, label) for label in labels]
    if descriptions is None:
        flat = [prompt.replace("{}", name) for name in names for prompt in prompts] if prompts != ("{}",) else names
        counts = np.full(len(labels), len(prompts))
    else:
        flat, given = [], []
        for row, (label, name) in enumerate(zip(labels, names, strict=True)):
            own = descriptions.get(name if name in descriptions else label)
            own = (own,) if isinstance(own, str) else own
            if not own:
                near = nearest(label, descriptions)
                raise InputError(f"no description of label {label!r}" + (f"; the nearest is {near!r}" if near else ""))
            flat += own
            given.append(len(own))
            notes[row] = "; ".join(filter(None, (notes[row], f"{len(own)} description(s): {own[0]!r}")))
        counts = np.array(given)
    rows: dict[str, int] = {}
    order = np.fromiter((rows.setdefault(composed(text), len(rows)) for text in flat), np.int64, len(flat))
    for text in rows:
        if not is_text(text):
            raise InputError(f"{brief(text)} has letters that are not Unicode text; correct it")
    return Texts(tuple(rows), order, counts, tuple(notes), descriptions is not None or len(prompts) > 1)
