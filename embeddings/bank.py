"""A bank: label names with their vectors, and where the vectors come from."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes

from embeddings import atomic
from embeddings.errors import InputError

FORMAT = "zsl-bank/1"


@dataclass(frozen=True)
class Provenance:
    """How vectors were made: enough to make them again.

    `encoder` is the spec, `prompt` the template that turned names into text, `revision` identifies the encoder's
    weights (a hash or a version), `transforms` what was done to the vectors afterwards.
    """

    encoder: str = "given"
    prompt: str = "{}"
    revision: str = ""
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Bank:
    """Label names and their word vectors.

    Args:
        labels: distinct names.
        vectors: (label, embed) float32, finite, no row of zeros.
        provenance: how the vectors were made.
        notes: one text a label, "" where nothing out of the ordinary was done for it.
    Raises:
        InputError: the parts do not fit together.
    """

    labels: tuple[str, ...]
    vectors: Float[np.ndarray, "label embed"]
    provenance: Provenance = field(default_factory=Provenance)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "notes", tuple(self.notes) or ("",) * len(self.labels))
        vectors = np.ascontiguousarray(self.vectors, dtype=np.float32)
        object.__setattr__(self, "vectors", vectors)
        if vectors.ndim != 2 or not len(self.labels) == len(vectors) == len(self.notes):
            raise InputError(
                f"a bank of {len(self.labels)} labels and {len(self.notes)} notes needs vectors of shape "
                f"({len(self.labels)}, embed), got {vectors.shape}"
            )
        if not vectors.size:
            raise InputError("a bank needs at least one label and one dimension")
        if len(self._rows) < len(self.labels):
            twice = next(label for row, label in enumerate(self.labels) if self._rows[label] != row)
            raise InputError(f"label {twice!r} stands twice in the bank; remove one")
        for fault, bad in (("non-finite", ~np.isfinite(vectors).all(1)), ("zero", ~vectors.any(1))):
            if bad.any():
                raise InputError(f"label {self.labels[int(np.argmax(bad))]!r} has a {fault} vector")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {label: row for row, label in enumerate(self.labels)}

    @property
    def embed_dim(self) -> int:
        """e, the size of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, labels: Sequence[str]) -> Float[np.ndarray, "label embed"]:
        """The vectors of the given labels, in their order.

        Raises:
            InputError: labels that are not in the bank, with their nearest spellings.
        """
        require(labels, self._rows, "the bank")
        return self.vectors[[self._rows[label] for label in labels]]

    def _header(self) -> dict[str, Any]:
        made = self.provenance
        return {
            "format": FORMAT,
            "labels": self.labels,
            "notes": self.notes,
            "encoder": made.encoder,
            "prompt": made.prompt,
            "revision": made.revision,
            "transforms": made.transforms,
        }

    @cached_property
    def sha256(self) -> str:
        """Hash of everything in the bank."""
        digest = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        digest.update(str(self.vectors.shape).encode())
        digest.update(self.vectors.data)
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file, atomically; the same bank gives the same bytes."""
        # one metadata entry: safetensors does not keep the order of several
        header = json.dumps(self._header() | {"sha256": self.sha256}, sort_keys=True)
        atomic.write_bytes(Path(path), safetensors_bytes({"vectors": self.vectors}, {"bank": header}))

    @classmethod
    def load(cls, path: str | Path) -> "Bank":
        """Reads a file that `save` wrote.

        Raises:
            InputError: no such file, not a bank, or its content does not have the hash that it was saved with.
        """
        if not Path(path).is_file():
            raise InputError(f"no bank file {path}")
        try:
            with safe_open(str(path), "numpy") as file:
                header = json.loads((file.metadata() or {})["bank"])
                vectors = file.get_tensor("vectors")
            made = Provenance(header["encoder"], header["prompt"], header["revision"], tuple(header["transforms"]))
            bank = cls(tuple(header["labels"]), vectors, made, tuple(header["notes"]))
            intact = header["format"] == FORMAT and header["sha256"] == bank.sha256
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is not an intact bank file ({error}); build it again") from error
        if not intact:
            raise InputError(f"{path} is damaged: its content does not match its sha256; build it again")
        return bank


def require(labels: Iterable[str], known: Iterable[str], place: str) -> None:
    """Raises InputError that lists the labels without a vector in `place`, each with its nearest spelling there."""
    present = set(known)
    missing = [label for label in labels if label not in present]
    if not missing:
        return
    shown = []
    for label in missing[:5]:
        near = difflib.get_close_matches(label, present, n=1) if len(present) <= 100_000 else []
        shown.append(f"{label!r}" + (f" (nearest: {near[0]!r})" if near else ""))
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise InputError(
        f"no vector in {place} for {len(missing)} label(s): {', '.join(shown)}{more}; "
        "rename them, leave them out, or choose an encoder that covers them"
    )
