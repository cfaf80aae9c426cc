"""A bank: label names with their vectors, and where the vectors come from."""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from embeddings.banks import bank_file
from embeddings.banks.bank_file import REMEDY, Head, Provenance, checked
from embeddings.banks.transforms import Transform
from embeddings.io.errors import InputError
from embeddings.io.mapping import blocks
from embeddings.io.markup import visible
from embeddings.io.names import composed
from embeddings.io.spelling import require


@dataclass(frozen=True, eq=False, repr=False)
class Bank:
    """Label names and their word vectors.

    Args:
        labels: distinct names, the seen ones first; stored in Unicode's composed form (NFC).
        vectors: (label, embed), stored as float32; finite, no row of zeros.
        provenance: how the vectors were made.
        notes: for each label, what was done to find its vector; "" if the name was encoded unchanged.
        num_seen: number of seen labels; None counts all labels as seen.
        transforms: what was done to the vectors after encoding, in order.
        verified: True if the vectors are known to be finite and not zero; they are then not checked again.
    Raises:
        InputError: the parts do not fit together; a vector is not finite or all zeros.

    >>> bank = Bank(("sky", "dog"), np.eye(2), num_seen=1)
    >>> bank
    Bank(2 labels: 1 seen, 1 unseen; width 2; encoder given; no transforms)
    >>> bank.unseen
    ('dog',)
    """

    labels: tuple[str, ...]
    vectors: Float[np.ndarray, "label embed"]
    provenance: Provenance = field(default_factory=Provenance)
    notes: tuple[str, ...] = ()
    num_seen: int | None = None
    transforms: tuple[Transform, ...] = ()
    verified: InitVar[bool] = False

    def __post_init__(self, verified: bool) -> None:
        object.__setattr__(self, "labels", tuple(map(composed, self.labels)))
        object.__setattr__(self, "notes", tuple(self.notes) or ("",) * len(self.labels))
        object.__setattr__(self, "num_seen", len(self.labels) if self.num_seen is None else self.num_seen)
        vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
        object.__setattr__(self, "vectors", vectors)
        if vectors.ndim != 2 or not len(self.labels) == len(vectors) == len(self.notes):
            raise InputError(
                f"a bank of {len(self.labels)} labels and {len(self.notes)} notes needs vectors of shape "
                f"({len(self.labels)}, embed), got {vectors.shape}"
            )
        if not vectors.size:
            raise InputError("a bank needs at least one label and one dimension")
        if not 0 < self.head.num_seen <= len(self.labels):
            raise InputError(f"a bank of {len(self.labels)} labels cannot have {self.num_seen} seen ones")
        if len(self._rows) < len(self.labels):
            twice = next(label for row, label in enumerate(self.labels) if self._rows[label] != row)
            raise InputError(f"label {twice!r} is in the bank twice; remove one")
        if not verified:
            for _ in checked(blocks(vectors), self.labels, "label", "leave it out"):
                pass

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {label: row for row, label in enumerate(self.labels)}

    @property
    def head(self) -> Head:
        """Everything in the bank except its vectors."""
        assert self.num_seen is not None
        return Head(self.labels, self.provenance, self.notes, self.num_seen, self.transforms)

    @property
    def seen(self) -> tuple[str, ...]:
        """The seen labels, which come first."""
        return self.labels[: self.num_seen]

    @property
    def unseen(self) -> tuple[str, ...]:
        """The unseen labels."""
        return self.labels[self.num_seen :]

    @property
    def embed_dim(self) -> int:
        """e, the size of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        counts = f"{len(self):,} labels: {len(self.seen):,} seen, {len(self.unseen):,} unseen"
        transforms = ", ".join(transform.name for transform in self.transforms) or "no transforms"
        return f"Bank({counts}; width {self.embed_dim}; encoder {visible(self.provenance.encoder)}; {transforms})"

    def rows(self, labels: Sequence[str]) -> list[int]:
        """The rows of these labels in `vectors`.

        Args:
            labels: names, in any order.
        Returns:
            the row of each name.
        Raises:
            InputError: labels that are not in the bank, with their nearest spellings.
        """
        wanted = [composed(label) for label in labels]
        require(wanted, self._rows, "the bank")
        return [self._rows[label] for label in wanted]

    def select(self, labels: Sequence[str]) -> Float[np.ndarray, "label embed"]:
        """The vectors of these labels, in the order given.

        Args:
            labels: names of the bank.
        Returns:
            (label, embed) float32, a copy.
        Raises:
            InputError: same as for `rows`.

        >>> Bank(("sky", "dog"), np.eye(2)).select(["dog"])
        array([[0., 1.]], dtype=float32)
        """
        return self.vectors[self.rows(labels)]

    @cached_property
    def sha256(self) -> str:
        """The hash of everything in the bank, 64 hexadecimal digits."""
        return bank_file.digest(self.head, self.embed_dim, blocks(self.vectors))

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file, atomically; the same bank gives the same bytes.

        Args:
            path: the file to write.
        """
        self.__dict__["sha256"] = bank_file.write(Path(path), self.head, self.embed_dim, blocks(self.vectors))

    @classmethod
    def load(cls, path: str | Path, writable: bool = True) -> "Bank":
        """Reads a file that `save` wrote; the vectors are memory-mapped.

        Args:
            path: the file.
            writable: whether the vectors may be changed; changes stay in memory. torch warns about read-only arrays.
        Returns:
            the bank.
        Raises:
            InputError: no such file; not a bank; a file that changed after it was saved; a vector that is not finite or
                all zeros.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Bank(("sky", "dog"), np.eye(2)).save(f"{folder}/my.bank")
        ...     Bank.load(f"{folder}/my.bank").labels
        ('sky', 'dog')
        """
        head, vectors, sha256 = bank_file.read(Path(path), "c" if writable else "r")
        try:
            bank = cls(head.labels, vectors, head.provenance, head.notes, head.num_seen, head.transforms, verified=True)
        except InputError as error:
            raise InputError(f"{path} is not an intact bank file ({error}); {REMEDY}") from error
        bank.__dict__["sha256"] = sha256  # just computed from the file: no need to read it again
        return bank
