"""How a name is looked up in a table of words: the policy for multiword names and names out of vocabulary.

A policy lists ways that are tried in order for every name, after the name as it stands; the last may say what
happens to a name that none of them finds.

- `phrase`: `_` for spaces ("polar_bear").
- `lower`: lower case, with what `phrase` gives too.
- `singular`: English singulars ("dog" for "dogs") of all the spellings so far.
- `parts`: the mean of the words' vectors, each looked up in the ways before; all must be found.
- `subwords`: fastText's vector from character n-grams, where the name is long enough to have any.
- `random`: a random vector of norm 1; `skip`: the name is left out; `error`: an error lists the names, the default.
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from embeddings.encoders.seeded import random_vectors
from embeddings.io.errors import InputError
from embeddings.io.mapping import release
from embeddings.io.spelling import LOOKED_UP, require

WAYS = ("phrase", "lower", "singular", "parts", "subwords")
ENDS = ("error", "skip", "random")
DEFAULT_POLICY = ("phrase", "lower", "error")
BLOCK = 8_192  # vectors gathered at once


@dataclass(frozen=True)
class Found:
    """Words of a table: the row of each in `vectors` (word, embed), which may be memory-mapped.

    `faults` says of words that are there why their vectors are of no use; `remark` what is odd about the table.
    """

    rows: Mapping[str, int]
    vectors: np.ndarray
    faults: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    def has(self, form: str) -> bool:
        """Whether a word has a vector.

        Raises:
            InputError: it has one that is of no use.
        """
        if form in self.faults and form not in self.rows:
            raise InputError(self.faults[form])
        return form in self.rows


class WordTable(ABC):
    """Some words have a vector."""

    has_subwords = False  # whether any text has one, made of its character n-grams

    def __init__(self, place: str):
        self.place = place

    @abstractmethod
    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """The words that `wanted()` names and that are there, and maybe others."""

    @abstractmethod
    def words(self) -> Collection[str]:
        """All words, to look for near spellings."""

    def subwords(self, text: str) -> list[int]:
        """The text's character n-grams, as rows of the table's own; [] where it is too short for any."""
        raise NotImplementedError

    def from_subwords(self, text: str) -> np.ndarray:
        """A vector made of the text's character n-grams, where `subwords` has some."""
        raise NotImplementedError


class RowTable(WordTable):
    """A word table over a matrix, which is not copied."""

    def __init__(self, rows: Mapping[str, int], vectors: np.ndarray, place: str):
        super().__init__(place)
        self.rows = rows
        self.vectors = vectors

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """Every row."""
        return Found(self.rows, self.vectors)

    def words(self) -> Collection[str]:
        """Every word."""
        return self.rows


def check_policy(policy: Sequence[str]) -> None:
    """A policy is ways, then at most one end.

    Raises:
        InputError: it is not.
    """
    for place, step in enumerate(policy):
        if step not in WAYS + ENDS:
            raise InputError(f"unknown policy {step!r} for names out of vocabulary; known: {', '.join(WAYS + ENDS)}")
        if step in ENDS and place < len(policy) - 1:
            raise InputError(f"policy {','.join(policy)}: {step} must stand last")


def singulars(word: str) -> tuple[str, ...]:
    """Spellings that an English plural's singular may have; the table says which of them is a word."""
    for endings, stem_letters in ((_IRREGULAR, 0), (_REGULAR, 2)):
        for ending, others in endings.items():
            if word.lower().endswith(ending) and len(word) >= len(ending) + stem_letters:
                stem = word[: -len(ending)]
                return tuple(stem + other for other in others)
    return ()


_IRREGULAR = {
    "children": ("child",),
    "people": ("person",),
    "feet": ("foot",),
    "teeth": ("tooth",),
    "geese": ("goose",),
    "mice": ("mouse",),
    "men": ("man",),
}
_REGULAR = {
    "ies": ("y", "ie"),
    "ves": ("f", "fe", "ve"),
    "oes": ("o", "oe"),
    "xes": ("x", "xe"),
    "ches": ("ch", "che"),
    "shes": ("sh", "she"),
    "sses": ("ss",),
    "ses": ("s", "se"),
    "ss": (),
    "s": ("",),
}


def spellings(text: str, policy: Sequence[str]) -> list[list[str]]:
    """The spellings that each way of the policy adds, for the name itself and then way by way; [] for other ways.

    The name itself has two where Unicode has: composed, as names are here, and decomposed, as a table may have it.
    """
    known = list(dict.fromkeys([text, unicodedata.normalize("NFD", text)]))
    steps = [list(known)]
    for way in policy:
        added: list[str] = []
        if way == "phrase":
            added = [form.replace(" ", "_") for form in known if " " in form]
        elif way == "lower":
            added = [form.lower() for form in known if not form.islower()]
        elif way == "singular":
            added = [single for form in known for single in singulars(form)]
        if added:
            added = [form for form in dict.fromkeys(added) if form not in known]
            known += added
        steps.append(added)
    return steps


def parts_of(text: str) -> list[str]:
    """The words of a name, if it has several."""
    words = [word for word in re.split(r"[\s_\-/]+", text) if word]
    return words if len(words) > 1 else []


@dataclass
class Plan:
    """What each text is made of: one of the table's `rows`, or, where that is -1, `means` of them or `made`."""

    rows: np.ndarray
    notes: list[str]
    means: dict[int, list[int]] = field(default_factory=dict)
    made: dict[int, Callable[[], np.ndarray]] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)

    def remark(self, found: Found) -> str:
        """What is odd about the table, and how many texts were not found in it."""
        absent = len(self.made) + len(self.skipped)
        return found.remark + (f"; {absent} texts were not found in it" if found.remark and absent else "")


def look_up(table: WordTable, texts: Sequence[str], policy: Sequence[str], seed: int) -> tuple[Plan, Found]:
    """Finds every text in the table by the policy.

    Raises:
        InputError: texts that are not found, with their nearest spellings, where the policy ends in an error.
    """
    found = table.find(lambda: _wanted(texts, policy))
    plan = Plan(np.full(len(texts), -1, np.int64), [""] * len(texts))
    missing = []
    for row, text in enumerate(texts):
        own = next((form for form in spellings(text, ())[0] if found.has(form)), None)
        if own is not None:
            plan.rows[row] = found.rows[own]
        elif not _resolve(plan, row, text, found, table, policy, seed):
            missing.append(text)
    if missing:
        odd = f"; the file is odd, too: {found.remark}" if found.remark else ""
        require(missing, table.words(), table.place, LOOKED_UP + odd)
    return plan, found


def _wanted(texts: Sequence[str], policy: Sequence[str]) -> set[str]:
    """Every spelling that the policy may look for."""
    wanted = {form for text in texts for form in spellings(text, ())[0]}
    ways = policy[: policy.index("parts")] if "parts" in policy else ()
    for text in texts:
        for step in spellings(text, policy)[1:]:
            wanted.update(step)
        if "parts" in policy:
            wanted.update(form for word in parts_of(text) for step in spellings(word, ways) for form in step)
    return wanted


def _resolve(plan: Plan, row: int, text: str, found: Found, table: WordTable, policy: Sequence[str], seed: int) -> bool:
    for way, forms in zip(policy, spellings(text, policy)[1:], strict=True):
        key = next(filter(found.has, forms), None)
        if key is not None:
            plan.rows[row] = found.rows[key]
            plan.notes[row] = f"vector of {key!r}"
            return True
        if way == "parts":
            keys = [_key(word, found, policy[: policy.index("parts")]) for word in parts_of(text)]
            if keys and None not in keys:
                plan.means[row] = [found.rows[key] for key in keys if key is not None]
                plan.notes[row] = f"mean of {', '.join(map(repr, keys))}"
                return True
        elif way == "subwords":
            if not table.has_subwords:
                raise InputError(f"{table.place} has no subwords; take the policy subwords out or give a fastText file")
            if not table.subwords(text):
                continue
            plan.made[row] = partial(table.from_subwords, text)
            plan.notes[row] = "from subwords"
            return True
        elif way == "random":
            plan.made[row] = partial(_random, text, found.vectors.shape[1], seed)
            plan.notes[row] = "random vector"
            return True
        elif way == "skip":
            plan.skipped.append(row)
            return True
    return False


def _random(text: str, width: int, seed: int) -> np.ndarray:
    return random_vectors([text], width, seed)[0]


def _key(word: str, found: Found, ways: Sequence[str]) -> str | None:
    return next((form for step in spellings(word, ways) for form in step if found.has(form)), None)


def gather(plan: Plan, found: Found) -> Iterator[np.ndarray]:
    """The vectors of a plan, without those skipped, in blocks of rows."""
    kept = np.delete(np.arange(len(plan.rows)), plan.skipped)
    for start in range(0, len(kept), BLOCK):
        texts = kept[start : start + BLOCK]
        rows = plan.rows[texts]
        block = np.empty((len(texts), found.vectors.shape[1]), np.float32)
        block[rows >= 0] = found.vectors[rows[rows >= 0]]
        for place in np.flatnonzero(rows < 0):
            text = int(texts[place])
            mean = plan.means.get(text)
            block[place] = plan.made[text]() if mean is None else found.vectors[mean].mean(axis=0, dtype=np.float64)
        yield block
        release(found.vectors)
