"""The words that are asked: their names and vectors, made as the vectors of training were made."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from embeddings.banks.bank import Bank
from embeddings.banks.build import extend_bank, same_families
from embeddings.encoders.open_clip_models import FOLDER
from embeddings.encoders.table import AnyEncoder, parts_of
from embeddings.io.cache import default_cache
from embeddings.io.errors import InputError
from embeddings.io.names import distinct_names
from embeddings.io.progress import Progress, silent
from embeddings.io.spelling import shown
from embeddings.texts import read_labels

BANKS = (".safetensors", ".bank")
FILES = (".txt", ".csv", ".json", *BANKS)  # a text with such an ending is a file, even if there is none
PLACES = ("/", "./", "../", "~/")  # the same of a text without commas that begins so


@dataclass(frozen=True, eq=False)
class Words:
    """Names with their word vectors.

    Args:
        labels: the names.
        vectors: (label, embed) float32.
        seen: (label,) whether the model was trained on the label.
    """

    labels: tuple[str, ...]
    vectors: Float[np.ndarray, "label embed"]
    seen: Bool[np.ndarray, " label"]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.labels)}

    def vectors_of(self, labels: Sequence[str]) -> Float[np.ndarray, "label embed"]:
        """The vectors of some of the words, (label, embed) float32, in memory."""
        return np.array(self.vectors[[self._places[label] for label in labels]], np.float32)

    def joined(self, others: "Words") -> "Words":
        """These words, followed by those of `others` that are not among them."""
        known = set(self.labels)
        new = [place for place, label in enumerate(others.labels) if label not in known]
        labels = self.labels + tuple(others.labels[place] for place in new)
        vectors, seen = ((self.vectors, others.vectors), (self.seen, others.seen))
        return Words(labels, *(np.concatenate([one, two[new]]) for one, two in (vectors, seen)))


Labels = str | Path | Iterable[str] | Bank | Words


def words_of(
    bank: Bank,
    seen: Sequence[str],
    labels: Labels | None,
    encoder: AnyEncoder | None = None,
    progress: Progress = silent,
) -> Words:
    """The words that are asked; vectors of new words are made by the encoder of the model's bank.

    Args:
        bank: of the model.
        seen: the labels that the model was trained on.
        labels: names in one string, with commas between them; a sequence of names; a text file with a name per line; a
            bank, or its file; `Words`, which stay as they are; None for the labels of the bank.
        encoder: the object that made the bank, or a spec of the same weights in another place; None takes the bank's.
        progress: called with the number of texts encoded.
    Returns:
        the words, each once, in the order given.
    Raises:
        InputError: no name, a name that is empty, too long or twice, a name without a vector, a bank of another
            encoder; the encoder of training is not to be had, or has changed.
    """
    if isinstance(labels, Words):
        return labels
    given = _opened(labels)
    if isinstance(given, Bank):
        _check_same(bank, given)
        names, vectors = given.labels, given.vectors
    else:
        names = bank.labels if given is None else given
        vectors = _vectors(bank, names, encoder, progress)
    trained = set(seen)
    return Words(tuple(names), vectors, np.array([name in trained for name in names]))


def _opened(labels: str | Path | Iterable[str] | Bank | None) -> tuple[str, ...] | Bank | None:
    """Names, or a bank."""
    if labels is None or isinstance(labels, Bank):
        return labels
    if isinstance(labels, Path) or (isinstance(labels, str) and _names_a_file(labels)):
        path = Path(labels)
        return Bank.load(path) if path.suffix in BANKS else read_labels(path)
    if isinstance(labels, bytes | AbstractSet | Mapping) or not isinstance(labels, Iterable):
        raise InputError(
            f"labels of type {type(labels).__name__}; give names in one string with commas, a list of names, a file or "
            "a bank"
        )
    names = labels.split(",") if isinstance(labels, str) else list(labels)
    if not names or names == [""]:
        raise InputError('there is no label; give names, such as "sunset, harbour"')
    return distinct_names(names, "the labels")


def _names_a_file(text: str) -> bool:
    if text.endswith(FILES) or (text.startswith(PLACES) and "," not in text):
        return True
    try:
        return Path(text).is_file() or ("/" in text and Path(text).exists())
    except (OSError, ValueError):  # too long for the name of a file
        return False


def _vectors(
    bank: Bank, names: Sequence[str], encoder: AnyEncoder | None, progress: Progress
) -> Float[np.ndarray, "label embed"]:
    known = set(bank.labels)
    new = [name for name in names if name not in known]
    if not new:
        return bank.select(names)
    if encoder is None:
        _check_there(bank.provenance.encoder)
    longer = extend_bank(bank, new, encoder, cache=default_cache(), progress=progress)
    skipped = set(longer.provenance.skipped)
    left = [name for name in new if name in skipped]
    if left:
        raise InputError(f"the encoder {bank.provenance.encoder} has no vector for {shown(left)}; use other words")
    return longer.select(names)


def _check_there(spec: str) -> None:
    """Checks that a file or folder that an encoder's spec names is on this machine.

    Raises:
        InputError: it is not.
    """
    for part in parts_of(spec):
        path = part.partition(":")[2].removeprefix(FOLDER).partition(",")[0]
        if path.startswith(("/", "~", ".")) and not Path(path).expanduser().exists():
            told = f"the encoder of the model's words, {part}, is not on this machine"
            raise InputError(f"{told}; say where it is: zsl predict --encoder SPEC, or zsl.load(..., encoder=SPEC)")


def _check_same(bank: Bank, given: Bank) -> None:
    """Checks that two banks were made in the same way.

    Raises:
        InputError: another width, encoder, encoder's weights, prompts or transforms.
    """
    remedy = "extend the model's own bank: zsl bank extend"
    made, other = bank.provenance, given.provenance
    for what, one, two in (
        ("width", bank.embed_dim, given.embed_dim),
        ("encoder", made.encoder, made.encoder if same_families(other.encoder, made.encoder) else other.encoder),
        ("encoder weights", made.revision, other.revision),
        ("prompts", made.prompts, other.prompts),
        ("transforms", [t.name for t in bank.transforms], [t.name for t in given.transforms]),
    ):
        if one != two:
            raise InputError(f"the bank of labels has {what} {two!r}, the model's {one!r}; {remedy}")
    for mine, its in zip(bank.transforms, given.transforms, strict=True):
        if not all(np.array_equal(mine.arrays[key], its.arrays[key]) for key in mine.arrays):
            raise InputError(f"the transform {its.name} of the bank of labels was fitted on other labels; {remedy}")
