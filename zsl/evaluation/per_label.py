"""Results label by label, beside what may explain them: frequency, the nearest seen label, where the vector is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from embeddings.banks.bank import Bank
from embeddings.banks.similarity import nearest_seen
from embeddings.io.markup import csv_text
from zsl.evaluation.correlates import Correlates, by_thirds, correlates
from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.protocol import TestSet, protocols


@dataclass(frozen=True)
class PerLabel:
    """One row a label, seen ones first.

    Args:
        labels: names; the first `num_seen` are seen.
        train_images: (label,) that show it in training; 0 for unseen labels, None where training is not known.
        test_images: (label,) that show it.
        nearest: the nearest seen label of each unseen one, "" for seen ones; None without word vectors.
        similarity: (label,) cosine with it; NaN for seen labels.
        notes: what the bank did to find a vector, "" for nothing out of the ordinary.
        chance: (label,) AP of a random ranking.
        ap: (label,) by protocol, NaN where the protocol lacks the label, or there is no positive.
    """

    labels: tuple[str, ...]
    num_seen: int
    train_images: Int64[np.ndarray, " label"] | None
    test_images: Int64[np.ndarray, " label"]
    nearest: tuple[str, ...] | None
    similarity: Float[np.ndarray, " label"]
    notes: tuple[str, ...]
    chance: Float[np.ndarray, " label"]
    ap: Mapping[str, Float[np.ndarray, " label"]]

    def as_csv(self) -> str:
        """A line a label; a field without a value is empty. Names come back by `embeddings.io.markup.from_csv`."""
        fixed = ("label", "part", "train_images", "test_images", "nearest_seen", "similarity", "note", "chance_ap")
        rows: list[list[object]] = [[*fixed, *(f"ap:{name}" for name in self.ap)]]
        for row, label in enumerate(self.labels):
            numbers = [self.chance[row], *(values[row] for values in self.ap.values())]
            rows.append(
                [
                    label,
                    "seen" if row < self.num_seen else "unseen",
                    "" if self.train_images is None else self.train_images[row],
                    self.test_images[row],
                    "" if self.nearest is None else self.nearest[row],
                    _field(self.similarity[row]),
                    self.notes[row],
                    *map(_field, numbers),
                ]
            )
        return csv_text(rows)

    def explanations(self, protocol: str = "zsl") -> list[tuple[str, str, float, int]]:
        """Where a model generalises: mean AP of unseen labels by what is known of them.

        Returns:
            (property, which labels, mean AP, how many labels), for similarity to the nearest seen label and test
            frequency by thirds, and for vectors that come from a fallback or not.
        """
        ap = self.ap[protocol][self.num_seen :]
        rows: list[tuple[str, str, float, int]] = []
        known = {
            "similarity to the nearest seen label": self.similarity[self.num_seen :],
            "test images": self.test_images[self.num_seen :].astype(np.float64),
        }
        for title, values in known.items():
            found = correlates(ap, values)
            if np.isnan(found.correlation):
                continue
            told = f"{title} (Spearman {found.correlation:+.2f}, {_probability(found)})"
            for third, (low, high, mean, count) in by_thirds(ap, values).items():
                rows.append((told, f"{third}: {low:.3g} to {high:.3g}", mean, count))
        fallback = np.array([bool(note) for note in self.notes[self.num_seen :]])
        for title, chosen in (("as it stands", ~fallback), ("by a fallback", fallback)):
            usable = chosen & ~np.isnan(ap)
            if fallback.any() and usable.any():
                rows.append(("vector found", title, float(ap[usable].mean()), int(usable.sum())))
        return rows


def _probability(found: Correlates) -> str:
    if np.isnan(found.p_value):
        return f"{found.labels} labels: too few for a p-value"
    return "p < 0.0001" if found.p_value < 1e-4 else f"p = {found.p_value:.2g}"


def _field(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def per_label(
    evaluation: Evaluation,
    test: TestSet,
    bank: Bank | None = None,
    train_images: Sequence[int] | np.ndarray | None = None,
) -> PerLabel:
    """The rows of an evaluation.

    Args:
        evaluation: of the test set.
        test: what it was measured against.
        bank: the word vectors, for the nearest seen labels and notes.
        train_images: of each seen label.
    """
    labels, num_seen = test.seen + test.unseen, len(test.seen)
    ap, chance = {}, np.full(len(labels), np.nan)
    for name, protocol in protocols(test).items():
        if name not in evaluation.ap:
            continue
        ap[name] = np.full(len(labels), np.nan)
        ap[name][protocol.columns] = evaluation.ap[name]
        chance[protocol.columns] = evaluation.chance[name]
    nearest: tuple[str, ...] | None = None
    similarity, notes = np.full(len(labels), np.nan), ("",) * len(labels)
    if bank is not None:
        rows = bank.rows(labels)
        notes = tuple(bank.notes[row] for row in rows)
        nearest = ("",) * len(labels)
        if test.seen and test.unseen:
            found, similarity[num_seen:] = nearest_seen(Bank(labels, bank.vectors[rows], num_seen=num_seen))
            nearest = ("",) * num_seen + tuple(test.seen[row] for row in found)
    counts = None if train_images is None else np.array([*train_images, *[0] * len(test.unseen)], np.int64)
    return PerLabel(labels, num_seen, counts, test.targets.label_counts(), nearest, similarity, notes, chance, ap)
