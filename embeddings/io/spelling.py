"""Names that are not where they were looked for, with what they may have meant."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from embeddings.io.errors import InputError
from embeddings.io.names import LONGEST, brief

SHOWN = 10
MANY = 20_000  # words to compare a name with; beyond it, those of its first letter and about its length


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is spelled most like `name`, if one is at all."""
    if len(name) > LONGEST:  # no name; to compare it would take long
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
    """All names are known: `place` has a `thing` for each.

    Raises:
        InputError: names that are not, each with its nearest spelling in `place`.
    """
    present = known if isinstance(known, dict | set | frozenset) else set(known)
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(f"no {thing} in {place} for {shown(missing, present)}; {remedy}")


def shown(missing: Sequence[str], known: Collection[str] = ()) -> str:
    """How many labels, and the first of them, each with its nearest spelling among the known ones."""
    told = []
    for name in missing[:SHOWN]:
        near = nearest(name, known)
        told.append(brief(name) + (f" (nearest: {near!r})" if near else ""))
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"{len(missing)} label(s): {', '.join(told)}{more}"
