"""Results label by label, with what may explain them: frequency, nearest seen label, source of the vector."""

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
    """Results label by label, seen labels first.

    Args:
        labels: names; the first `num_seen` are seen.
        num_seen: number of seen labels.
        train_images: (label,) number of training images that show the label, 0 for unseen ones; None if not known.
        test_images: (label,) number of test images that show the label.
        nearest: for each unseen label the nearest seen one, "" for seen labels; None without word vectors.
        similarity: (label,) cosine similarity to the nearest seen label; NaN for seen labels.
        notes: how the bank found each vector; "" for a name that was encoded unchanged.
        chance: (label,) AP of a random ranking, in [0, 1].
        ap: (label,) in [0, 1], by protocol; NaN if the protocol does not rank the label, or no test image shows it.
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
        """One line per label; a field without a value is empty. `embeddings.io.markup.from_csv` restores the names."""
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
        """Where a model generalises: mean AP of groups of unseen labels.

        Args:
            protocol: whose AP.
        Returns:
            (property, group, mean AP, number of labels). The groups are thirds by similarity to the nearest seen label,
            thirds by number of test images, and labels whose vector comes from a fallback or not.
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
    """Results label by label.

    Args:
        evaluation: of the test set.
        test: the test set.
        bank: word vectors, for the nearest seen labels and notes; None for results without them.
        train_images: number of training images of each seen label; None if not known.
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
