"""How a name is looked up in a table of words: the policy for multiword names and names out of vocabulary.

A policy lists steps. Every name is first looked up unchanged, then by each step in turn. The last step may say what
happens to a name that no step finds.

- `phrase`: spaces become `_` ("polar_bear").
- `lower`: the spellings so far in lower case.
- `singular`: English singulars ("dog" for "dogs") of all the spellings so far.
- `parts`: the mean of the words' vectors. Each word is looked up by the steps before `parts`; all must be found.
- `subwords`: fastText's vector from character n-grams, if the name is long enough to have any.
- `random`: a random vector of norm 1; `skip`: leave the name out; `error`: stop and list the names (the default).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from embeddings.encoders.encoder import Encoder, Encoding, Request
from embeddings.encoders.seeded import random_vectors
from embeddings.encoders.word_table import Found, WordTable
from embeddings.io.errors import InputError
from embeddings.io.mapping import release
from embeddings.io.spelling import LOOKED_UP, require

SPELLINGS = ("phrase", "lower", "singular")
WAYS = (*SPELLINGS, "parts", "subwords")
ENDS = ("error", "skip", "random")
DEFAULT_POLICY = ("phrase", "lower", "error")
BLOCK = 8_192  # vectors gathered at once


def check_policy(policy: Sequence[str]) -> None:
    """Checks a policy: steps of `WAYS`, then at most one of `ENDS`.

    Raises:
        InputError: an unknown step, or a step of `ENDS` that is not the last one.
    """
    for place, step in enumerate(policy):
        if step not in WAYS + ENDS:
            raise InputError(f"unknown policy {step!r} for names out of vocabulary; known: {', '.join(WAYS + ENDS)}")
        if step in ENDS and place < len(policy) - 1:
            raise InputError(f"policy {','.join(policy)}: {step} must be the last step")


def singulars(word: str) -> tuple[str, ...]:
    """Candidate singulars of an English plural; the table of words decides which of them is a word.

    >>> singulars("wolves")
    ('wolf', 'wolfe', 'wolve')
    """
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
    """The spellings to look for.

    Args:
        text: a name. If Unicode has two forms of it, both are its own spellings: the composed form, which this toolkit
            uses, and the decomposed form, which some tables use.
        policy: steps.
    Returns:
        the name's own spellings, then for each step the new ones that it adds; [] for a step that adds none.

    >>> spellings("Polar Bears", ("phrase", "lower"))
    [['Polar Bears'], ['Polar_Bears'], ['polar bears', 'polar_bears']]
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
    """The words of a name that has several; [] for a name of one word."""
    words = [word for word in re.split(r"[\s_\-/]+", text) if word]
    return words if len(words) > 1 else []


@dataclass
class Plan:
    """How each text gets its vector.

    Args:
        rows: (text,) row of the table's matrix; -1 where the vector is in `means` or `made`, or the text is skipped.
        notes: for each text, what was done for it.
        means: for a text, the rows whose mean it gets.
        made: for a text, a function that makes its vector.
        skipped: texts that get no vector.
    """

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
    """Looks up every text in the table by the policy.

    Args:
        table: the table of words.
        texts: distinct texts.
        policy: steps; see the top of this file.
        seed: of random vectors.
    Returns:
        how each text gets its vector, and the words that were found.
    Raises:
        InputError: the policy ends in an error and texts are not found; they are listed with their nearest spellings.
    """
    found = table.find(lambda: _wanted(texts, policy))
    plan = Plan(np.full(len(texts), -1, np.int64), [""] * len(texts))
    lookup = _LookUp(table, found, tuple(policy), seed, plan)
    missing = [text for row, text in enumerate(texts) if not lookup.resolve(row, text)]
    if missing:
        odd = f"; the file also has faults: {found.remark}" if found.remark else ""
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


@dataclass(frozen=True)
class _LookUp:
    """Fills a plan, text by text."""

    table: WordTable
    found: Found
    policy: tuple[str, ...]
    seed: int
    plan: Plan

    def resolve(self, row: int, text: str) -> bool:
        """Plans the vector of the text in this row; False if no step of the policy finds one."""
        key = self._first(spellings(text, ())[0])
        if key is not None:
            self.plan.rows[row] = self.found.rows[key]
            return True
        for way, forms in zip(self.policy, spellings(text, self.policy)[1:], strict=True):
            key = self._first(forms)
            if key is not None:
                self.plan.rows[row] = self.found.rows[key]
                self.plan.notes[row] = f"vector of {key!r}"
                return True
            if way not in SPELLINGS and self._made_by(way, row, text):
                return True
        return False

    def _first(self, forms: Sequence[str]) -> str | None:
        return next(filter(self.found.has, forms), None)

    def _made_by(self, way: str, row: int, text: str) -> bool:
        """Applies a step that is not a spelling; True if it decides what happens to the text."""
        if way == "parts":
            return self._mean_of_parts(row, text)
        if way == "subwords":
            if not self.table.has_subwords:
                where = self.table.place
                raise InputError(f"{where} has no subwords; take the policy subwords out or give a fastText file")
            if not self.table.subwords(text):
                return False
            self.plan.made[row] = partial(self.table.from_subwords, text)
            self.plan.notes[row] = "from subwords"
        elif way == "random":
            self.plan.made[row] = lambda: random_vectors([text], self.found.vectors.shape[1], self.seed)[0]
            self.plan.notes[row] = "random vector"
        elif way == "skip":
            self.plan.skipped.append(row)
        return way != "error"

    def _mean_of_parts(self, row: int, text: str) -> bool:
        ways = self.policy[: self.policy.index("parts")]
        keys = [self._first([form for step in spellings(word, ways) for form in step]) for word in parts_of(text)]
        if not keys or None in keys:
            return False
        self.plan.means[row] = [self.found.rows[key] for key in keys if key is not None]
        self.plan.notes[row] = f"mean of {', '.join(map(repr, keys))}"
        return True


def gather(plan: Plan, found: Found) -> Iterator[np.ndarray]:
    """Makes the vectors of a plan.

    Args:
        plan: how each text gets its vector.
        found: the words that were found.
    Yields:
        blocks of (text, embed) float32, without the skipped texts.
    """
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


@dataclass(frozen=True)
class Words(Encoder):
    """An encoder that looks up texts in a table of words.

    Args:
        version: identifies the table; it is what `revision` returns.
        open: opens the table; it is called when texts are first encoded.
    """

    version: str
    open: Callable[[], WordTable]

    def revision(self) -> str:
        return self.version

    def encode(self, request: Request) -> Encoding:
        plan, found = look_up(self.open(), request.texts, request.oov, request.seed)
        return Encoding(gather(plan, found), plan.notes, plan.skipped, tuple(filter(None, [plan.remark(found)])))
