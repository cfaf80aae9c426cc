"""From texts to labels: a label's vector is the mean over its texts; several encoders' vectors are concatenated."""

from collections.abc import Iterator, Sequence

import numpy as np

from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import checked
from embeddings.io.mapping import ROWS, collected, release
from embeddings.texts import Texts


def pooled(texts: Texts, encoded: Sequence[Bank]) -> tuple[np.ndarray, np.ndarray]:
    """The labels' vectors, from those of their texts.

    Args:
        texts: each label's texts.
        encoded: for each encoder, the vectors of the distinct texts.
    Returns:
        (label,) bool: a label is kept if every encoder has a vector for each of its texts; and (kept label, embed)
        float32: for each encoder the mean over the label's texts, concatenated.
    Raises:
        InputError: a mean is all zeros.
    """
    present = np.ones((len(encoded), len(texts.distinct)), bool)
    for row, bank in enumerate(encoded):
        if bank.provenance.skipped:
            skipped = set(bank.provenance.skipped)
            present[row] = [text not in skipped for text in texts.distinct]
    starts = np.cumsum(texts.counts) - texts.counts
    kept = np.logical_and.reduceat(np.all(present, axis=0)[texts.rows], starts)
    alone = len(encoded) == 1 and len(texts.rows) == len(texts.distinct) == len(texts.counts)
    if alone and kept.all() and not texts.averaged:
        return kept, encoded[0].vectors
    places = np.cumsum(present, axis=1) - 1  # the row of each distinct text among an encoder's vectors
    labels = np.flatnonzero(kept)
    most = int(texts.counts.max())

    def parts() -> Iterator[np.ndarray]:
        step = max(1, ROWS // most)
        for start in range(0, len(labels), step):
            chosen = labels[start : start + step]
            counts = texts.counts[chosen]
            begins = np.cumsum(counts) - counts
            flat = texts.rows[np.repeat(starts[chosen] - begins, counts) + np.arange(counts.sum())]
            sides = [bank.vectors[place[flat]] for bank, place in zip(encoded, places, strict=True)]
            if texts.averaged:
                unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
                sides = [np.add.reduceat(side, begins) / counts[:, None] for side in unit]
            yield np.concatenate(sides, axis=1)
            for bank in encoded:
                release(bank.vectors)

    names = [texts.distinct[texts.rows[starts[label]]] for label in labels]
    return kept, collected(checked(parts(), names, "the mean of the texts of", "give other texts"), len(labels))


def pooled_notes(texts: Texts, specs: Sequence[str], encoded: Sequence[Bank]) -> tuple[str, ...]:
    """What was done for each label, over all its texts and encoders.

    Args:
        texts: each label's texts.
        specs: the encoders; if there are several, each note begins with its encoder's spec.
        encoded: for each encoder, the vectors of the distinct texts, with notes.
    Returns:
        one note per label; "" if nothing was done.
    """
    of_text = []
    for spec, bank in zip(specs, encoded, strict=True):
        prefix = f"{spec}: " if len(encoded) > 1 else ""
        pairs = zip(bank.labels, bank.notes, strict=True)
        of_text.append({text: f"{prefix}{note}" for text, note in pairs if note})
    if not any(of_text) and not any(texts.notes):
        return ("",) * len(texts.notes)
    starts = np.cumsum(texts.counts) - texts.counts
    notes = []
    for note, start, count in zip(texts.notes, starts, texts.counts, strict=True):
        own = [texts.distinct[row] for row in texts.rows[start : start + count]]
        found = [note, *(given[text] for given in of_text for text in own if text in given)]
        notes.append("; ".join(dict.fromkeys(filter(None, found))))
    return tuple(notes)
