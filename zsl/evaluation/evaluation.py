"""The result of measuring scores: metrics, their intervals, AP by label, and the stamp of the question."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from zsl.evaluation.stamp import Stamp
from zsl.evaluation.trade_off import TradeOff
from zsl.evaluation.uncertainty import centred, interval


@dataclass(frozen=True)
class Evaluation:
    """The measures of a model's scores on a test set.

    Args:
        metrics: fractions by "protocol/metric"; a metric that is not defined is left out.
        replicates: (replicate,) of each metric that was bootstrapped over images, as drawn.
        ap, chance: (label,) AP of each label and that of a random ranking, by protocol; NaN without positives.
        trade_offs: of seen against unseen labels, by K; empty for a closed set.
        stamp: which question the figures answer: data, protocols and policies.
    """

    metrics: dict[str, float]
    replicates: dict[str, Float[np.ndarray, " replicate"]]
    ap: dict[str, Float[np.ndarray, " label"]]
    chance: dict[str, Float[np.ndarray, " label"]]
    trade_offs: dict[int, TradeOff]
    stamp: Stamp

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of the bootstrap over test images; they do not cover other seeds of training."""
        found = {name: interval_of(name, values, self.metrics[name]) for name, values in self.replicates.items()}
        return {name: ends for name, ends in found.items() if np.isfinite(ends).all()}


def interval_of(
    metric: str, values: Float[np.ndarray, " replicate"], estimate: float, ends: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float]:
    """The 95 % interval of a metric, or of a difference in it.

    Args:
        metric: its name, "protocol/metric"; replicates of mAP and of macro figures are centred on the estimate.
        values: (replicate,) of the metric or of the difference.
        estimate: the figure, or the difference, on the test images themselves.
        ends: the lowest and the highest value that it can have.
    Returns:
        the lower and the upper end; NaN without a replicate.
    """
    over_labels = "/map" in metric or "/macro_" in metric
    return interval(centred(values, estimate) if over_labels else values, ends=ends)
