"""Label names: how every reader cleans and checks them, and which letters tell two names apart."""

import unicodedata
from collections import Counter
from collections.abc import Iterable

from embeddings.io.errors import InputError

LONGEST = 1_000  # letters; a longer "name" is a list or a text that lost its separators
SHOWN = 80
SIGNS = frozenset("#%&*@§¶†‡‰")  # Unicode calls them punctuation, as it does commas and dashes


def composed(text: str) -> str:
    """Unicode's composed form (NFC), in which equal names are equal strings."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def label_name(value: object, place: str) -> str:
    """A label's name, composed (NFC) and without blanks around it; every reader of names calls this.

    Args:
        value: text, or a whole number that is used as a name.
        place: file and line, for messages.
    Returns:
        the name.
    Raises:
        InputError: not text, only blanks, several lines, a zero byte, a lone surrogate (half a letter, or the name of a
            file in another encoding), or more than 1,000 letters.
    """
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise InputError(f"{place}: label name {brief(value)} is not text; write it in quotes")
    name = value.strip()
    if 0 < len(name) <= LONGEST and name.isascii() and name.isprintable():
        return name
    if not name:
        raise InputError(f"{place}: a label name is empty; remove it or write one")
    if len(name) > LONGEST:
        raise InputError(f"{place}: label name {brief(name)} is too long; write each label in a field of its own")
    if "\0" in name or len(name.splitlines()) > 1:
        raise InputError(f"{place}: label name {brief(name)} holds a line break or a zero byte; write it on one line")
    if not is_text(name):
        raise InputError(f"{place}: label name {brief(name)} is not Unicode text; rename it")
    return composed(name)


def distinct_names(values: Iterable[object], place: str) -> tuple[str, ...]:
    """Label names, each cleaned and checked by `label_name`.

    Args:
        values: the names.
        place: where they are, for messages.
    Returns:
        the names, in order.
    Raises:
        InputError: same as for `label_name`; a name that appears twice.
    """
    names = tuple(label_name(value, place) for value in values)
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"label {twice!r} appears twice among {place}; remove one")
    return names


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold the text: it has no lone surrogate, as JSON's escapes and strange file names may have."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def brief(value: object) -> str:
    """A value for a message: quoted, on one line, cut and with its length if it is long."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value):,} letters)"
    shown = repr(value)
    return shown if isinstance(value, str) or len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def sets_apart(letter: str) -> bool:
    """Whether a letter tells two names apart: letters, digits, combining marks, symbols, and signs as in "C#".

    Blanks, punctuation between words, and letters without a shape of their own (joiners, variation selectors) do not.
    """
    return letter.isalnum() or letter in SIGNS or (unicodedata.category(letter)[0] in "MS" and not _selects(letter))


def _selects(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
