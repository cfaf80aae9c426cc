"""How scores become the trade-off curve of seen and unseen labels."""

import numpy as np
import torch

from zsl.evaluation.trade_off import TradeOff
from zsl.metrics.arrays import Scores, Targets, as_array, as_binary, as_known, as_scores, check_finite, row_blocks
from zsl.metrics.f1 import best_labels


def trade_off(scores: Scores, targets: Targets, num_seen: int, k: int, annotated: Targets | None = None) -> TradeOff:
    """The exact curve of calibrated stacking at K.

    The j-th best unseen label of an image replaces the (K - j + 1)-th best seen label among the K best as soon as the
    shift exceeds the difference of their scores, seen minus unseen. All those differences, sorted, are the curve. At a
    shift equal to a difference the seen label stays, because the lower index wins a tie.

    Args:
        scores: (batch, label), seen labels first.
        targets: (batch, label), 0 or 1.
        num_seen: seen labels, at least one, and at least one label must be unseen.
        k: labels taken per image.
        annotated: (batch, label) bool, same as for `zsl.metrics.f1.f1_at_k`.
    Returns:
        the curve.
    Raises:
        ValueError: same as for `zsl.metrics.f1.f1_at_k`; no seen or no unseen label.
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
    """For each replacement of a seen by an unseen label: the difference, and the changes of the four counts."""
    rows = np.arange(len(scores))[:, None]
    seen, unseen = (
        best_labels(torch.from_numpy(part), min(k, part.shape[1])).numpy()
        for part in (scores[:, :num_seen], scores[:, num_seen:])
    )
    unseen = unseen + num_seen
    forced = max(k - seen.shape[1], 0)  # unseen labels that every shift takes: there are fewer than K seen ones
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
