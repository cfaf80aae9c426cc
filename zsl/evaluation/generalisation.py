"""What unseen labels lose among seen ones: the trade-off of their recalls over every bias on seen logits."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64

from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.f1 import F1, best_labels


def harmonic_mean(one: float, other: float) -> float:
    """`2 a b / (a + b)`, 0 if both are 0."""
    return 2 * one * other / (one + other) if one + other else 0.0


@dataclass(frozen=True)
class TradeOff:
    """Seen against unseen labels as a bias is taken off all seen logits: calibrated stacking (Chao et al. 2016).

    Between two neighbouring `shifts` nothing changes, so this is the whole curve. Entry i holds for the shifts from
    `shifts[i]` (exclusive) to `shifts[i + 1]` (inclusive); the first entry, without any bias so low that an unseen
    label is taken, begins at minus infinity.

    Args:
        k: labels taken per image.
        seen_positives, unseen_positives: that there are.
        shifts: (step,) ascending, in the units of the scores.
        seen_hits, unseen_hits: (step,) positives among the taken labels.
        unseen_chosen, chosen: (step,) unseen labels, and all labels, that are taken, over all images.
    """

    k: int
    seen_positives: int
    unseen_positives: int
    shifts: Float[np.ndarray, " step"]
    seen_hits: Int64[np.ndarray, " step"]
    unseen_hits: Int64[np.ndarray, " step"]
    unseen_chosen: Int64[np.ndarray, " step"]
    chosen: Int64[np.ndarray, " step"]

    @property
    def seen_recall(self) -> Float[np.ndarray, " step"]:
        """Share of the seen positives that are among the K best of all labels."""
        return self.seen_hits / max(self.seen_positives, 1)

    @property
    def unseen_recall(self) -> Float[np.ndarray, " step"]:
        """Share of the unseen positives that are among the K best of all labels."""
        return self.unseen_hits / max(self.unseen_positives, 1)

    @property
    def harmonic(self) -> Float[np.ndarray, " step"]:
        """Harmonic mean of the two recalls."""
        seen, unseen = self.seen_recall, self.unseen_recall
        total = seen + unseen
        return np.divide(2 * seen * unseen, total, out=np.zeros(len(total)), where=total > 0)

    @property
    def area(self) -> float:
        """Area under unseen recall as a function of seen recall (AUSUC, of recall at K), in [0, 1]."""
        # seen recall falls as the shift grows; the curve is a staircase whose steps are joined by lines, as there
        return float(0.0 - np.trapezoid(self.unseen_recall, self.seen_recall))  # a minus would make 0 a -0

    def step(self, shift: float) -> int:
        """The entry that holds for a shift."""
        return max(int(np.searchsorted(self.shifts, shift, side="left")) - 1, 0)

    def f1(self, step: int, part: str = "all") -> F1:
        """Micro F1@K of all, the "seen" or the "unseen" labels, among the K best of all labels."""
        chosen, hits, positives = {
            "all": (self.chosen[step], self.seen_hits[step] + self.unseen_hits[step], self._positives),
            "seen": (self.chosen[step] - self.unseen_chosen[step], self.seen_hits[step], self.seen_positives),
            "unseen": (self.unseen_chosen[step], self.unseen_hits[step], self.unseen_positives),
        }[part]
        precision, recall = (float(hits / whole) if whole else 0.0 for whole in (chosen, positives))
        return F1(harmonic_mean(precision, recall), precision, recall)

    @property
    def _positives(self) -> int:
        return self.seen_positives + self.unseen_positives

    def inside(self, step: int) -> float:
        """A shift that an entry holds for: the middle of its stretch, or the end of one that has a single end."""
        low, high = self.shifts[step], np.append(self.shifts, np.inf)[step + 1]
        if np.isinf(low):
            return float(high) if np.isfinite(high) else 0.0
        return float((low + high) / 2 if np.isfinite(high) else np.nextafter(low, np.inf))


def trade_off(scores: Scores, targets: Targets, num_seen: int, k: int, annotated: Targets | None = None) -> TradeOff:
    """The exact curve of calibrated stacking at K.

    The j-th best unseen label of an image is among its K best labels once the shift exceeds the score of the
    (K - j + 1)-th best seen label less its own; it takes that one's place. All those differences, in order, are the
    curve. At a difference itself the seen label stays, as the lower index wins a tie.

    Args:
        scores: (batch, label), seen labels first.
        targets: (batch, label), 0 or 1.
        num_seen: seen labels, at least one, and at least one label must be unseen.
        k: labels taken per image.
        annotated: (batch, label) bool, as of `zsl.metrics.f1.f1_at_k`.
    Raises:
        ValueError: as `zsl.metrics.f1.f1_at_k`; no seen or no unseen label.
    """
    values = as_scores(as_array(scores))
    truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
    images, labels = values.shape
    if not 0 < num_seen < labels:
        raise ValueError(f"{num_seen} of {labels} labels are seen; a trade-off needs both kinds")
    if not 1 <= k <= labels:
        raise ValueError(f"k = {k} is not between 1 and the {labels} labels")
    events: list[np.ndarray] = []
    start = np.zeros(4, np.int64)  # seen hits, unseen hits, unseen chosen, chosen, where the shift is very low
    for rows in row_blocks(images):
        part = values[rows]
        check_finite(part, rows.start)
        valid = np.ones(part.shape, np.bool_) if known is None else known[rows]
        hits = truth[rows] & valid
        event, begun = _events(part, hits, valid, num_seen, k)
        events.append(event)
        start += begun
    every = np.concatenate(events)
    every = every[np.argsort(every[:, 0], kind="stable")]
    last = np.append(every[1:, 0] != every[:-1, 0], True) if len(every) else np.zeros(0, bool)
    steps = np.cumsum(every[:, 1:].astype(np.int64), axis=0)[last]
    curve = np.concatenate([np.zeros((1, 4), np.int64), steps]) + start
    positives = (truth if known is None else truth & known).sum(0)
    seen, unseen = int(positives[:num_seen].sum()), int(positives[num_seen:].sum())
    return TradeOff(k, seen, unseen, np.concatenate([[-np.inf], every[last, 0]]), *curve.T)


def _events(
    scores: np.ndarray, hits: np.ndarray, valid: np.ndarray, num_seen: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each exchange of a seen for an unseen label: the difference, and what changes in the four counts."""
    rows = np.arange(len(scores))[:, None]
    seen, unseen = (
        best_labels(torch.from_numpy(part), min(k, part.shape[1])).numpy()
        for part in (scores[:, :num_seen], scores[:, num_seen:])
    )
    unseen = unseen + num_seen
    forced = max(k - seen.shape[1], 0)  # so few seen labels that unseen ones are taken at any shift
    entering = unseen[:, forced:]
    leaving = seen[:, ::-1][:, : entering.shape[1]]
    entering = entering[:, : leaving.shape[1]]
    difference = scores[rows, leaving].astype(np.float64) - scores[rows, entering].astype(np.float64)
    change = [
        difference,
        -hits[rows, leaving].astype(np.float64),
        hits[rows, entering],
        valid[rows, entering],
        valid[rows, entering].astype(np.float64) - valid[rows, leaving],
    ]
    always = unseen[:, :forced]
    begun = [
        hits[rows, seen].sum(),
        hits[rows, always].sum(),
        valid[rows, always].sum(),
        valid[rows, seen].sum() + valid[rows, always].sum(),
    ]
    return np.stack([values.ravel() for values in change], axis=1), np.array(begun, np.int64)
