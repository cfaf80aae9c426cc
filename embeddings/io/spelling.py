"""Error messages that list unknown names, each with the known name of the most similar spelling."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from embeddings.io.errors import InputError
from embeddings.io.names import LONGEST, brief

SHOWN = 10
MANY = 20_000  # of more words, a name is compared only with those of the same first letter and similar length


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name whose spelling is most similar to `name`; None if none is similar.

    >>> nearest("dogs", ["cat", "dog"])
    'dog'
    """
    if len(name) > LONGEST:  # not a name, and slow to compare
        return None
    words: Iterable[str] = known
    if len(known) > MANY:
        first = name[:1].lower()
        words = [word for word in known if word[:1].lower() == first and abs(len(word) - len(name)) <= 3]
    found = difflib.get_close_matches(name, words, n=1)
    return found[0] if found else None


NAMES = "correct them"
LOOKED_UP = (
    "rename them, give an alias, leave them out, or choose an encoder or a policy for names out of vocabulary that "
    "covers them"
)


def require(
    names: Iterable[str], known: Collection[str], place: str, remedy: str = NAMES, thing: str = "vector"
) -> None:
    """Checks that all names are known.

    Args:
        names: the names.
        known: all known names.
        place: where the known names are, for the message.
        remedy: what to do, for the message.
        thing: what `place` has for each known name, for the message.
    Raises:
        InputError: unknown names, each with the nearest spelling in `known`.
    """
    present = known if isinstance(known, dict | set | frozenset) else set(known)
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(f"no {thing} in {place} for {shown(missing, present)}; {remedy}")


def shown(missing: Sequence[str], known: Collection[str] = ()) -> str:
    """The number of missing names and the first of them, each with the nearest spelling among the known names."""
    told = []
    for name in missing[:SHOWN]:
        near = nearest(name, known)
        told.append(brief(name) + (f" (nearest: {near!r})" if near else ""))
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"{len(missing)} label(s): {', '.join(told)}{more}"
