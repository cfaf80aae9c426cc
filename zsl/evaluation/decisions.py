"""Measures of labels that are taken by a rule, such as thresholds, and of the rule's probabilities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from scipy.special import expit

from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.measures import INTERVALS, Scores
from zsl.evaluation.probabilities import reliability
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.uncertainty import Weights, image_weights
from zsl.metrics.f1 import Counts

AT = "@threshold"
Probabilities = Float[np.ndarray, "image label"]
Truth = Bool[np.ndarray, "image label"]
Seen = Bool[np.ndarray, " label"]


@runtime_checkable
class Decisions(Protocol):
    """A rule from logits to probabilities, and from those to labels; `zsl.prediction.thresholds.Thresholds` is one."""

    def probabilities(self, logits: Scores, seen: Seen) -> Probabilities: ...

    def taken(self, probabilities: Probabilities, labels: Sequence[str], seen: Seen) -> Truth: ...

    def described(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Decided:
    """What a rule makes of the scores of some labels.

    Args:
        scores: (image, label) logits.
        probabilities: (image, label).
        taken: (image, label) which labels are taken.
        targets: (image, label).
        known: (image, label) which entries are annotated; others count for nothing.
    """

    scores: Scores
    probabilities: Probabilities
    taken: Truth
    targets: Truth
    known: Truth

    def __getitem__(self, labels: slice) -> "Decided":
        return Decided(*(values[:, labels] for values in vars(self).values()))

    @property
    def _masks(self) -> tuple[Truth, Truth, Truth]:
        """Hits, entries that are taken, and positives."""
        return self.taken & self.targets & self.known, self.taken & self.known, self.targets & self.known

    def figures(self) -> dict[str, float]:
        """F1, precision and recall, micro and macro, and the calibration error with and without the rule."""
        counts = Counts(*(mask.sum(0, dtype=np.int64) for mask in self._masks))
        found = {f"{part}{AT}": value for part, value in counts.micro()._asdict().items()}
        found |= {f"macro_{part}{AT}": value for part, value in counts.macro()._asdict().items()}
        truth = self.targets[self.known]
        found["ece"] = reliability(self.probabilities[self.known], truth).error
        found["ece_plain"] = reliability(expit(self.scores[self.known].astype(np.float64)), truth).error
        return found

    def replicates(self, weights: Weights) -> dict[str, Float[np.ndarray, " replicate"]]:
        """The figures of F1 in each replicate of the bootstrap; micro ones are NaN in one without a positive."""
        drawn = weights.astype(np.int64)
        # few entries are taken, and few are positive
        hits, chosen, positives = (np.asarray(csr_array(mask.astype(np.int64)).T @ drawn) for mask in self._masks)
        micro = _f1(hits.sum(0), chosen.sum(0), positives.sum(0))
        found = {f"{part}{AT}": np.where(positives.sum(0) > 0, values, np.nan) for part, values in micro.items()}
        macro = _f1(hits, chosen, positives)
        return found | {f"macro_{part}{AT}": values.mean(0) for part, values in macro.items()}


def _f1(hits: np.ndarray, chosen: np.ndarray, positives: np.ndarray) -> dict[str, np.ndarray]:
    wholes = {"f1": (chosen + positives) / 2, "precision": chosen, "recall": positives}
    return {part: np.divide(hits, whole, out=np.zeros(hits.shape), where=whole > 0) for part, whole in wholes.items()}


def with_decisions(
    evaluation: Evaluation, rule: Decisions, scores: Mapping[str, Scores], test: TestSet, bootstrap: int
) -> Evaluation:
    """An evaluation with the figures of a rule: F1, precision, recall and calibration error.

    Among all labels (GZSL) there are also figures of the seen and of the unseen labels alone.

    Args:
        evaluation: of the same test set.
        rule: chosen on validation data.
        scores: (image, label) logits, by protocol.
        test: the test set.
        bootstrap: number of replicates over test images, for intervals; 0 for none.
    Returns:
        the evaluation, with the rule in its stamp.
    """
    weights = image_weights(len(test.targets), bootstrap) if bootstrap else None
    metrics, replicates = dict(evaluation.metrics), dict(evaluation.replicates)
    for name, group, decided in _groups(rule, scores, test):
        if not (decided.targets & decided.known).any():
            continue
        metrics |= {_named(name, metric, group): value for metric, value in decided.figures().items()}
        if weights is not None and name in INTERVALS:
            drawn = decided.replicates(weights)
            replicates |= {_named(name, metric, group): values for metric, values in drawn.items()}
    stamp = replace(evaluation.stamp, thresholds=rule.described())
    return replace(evaluation, metrics=metrics, replicates=replicates, stamp=stamp)


def _groups(rule: Decisions, scores: Mapping[str, Scores], test: TestSet) -> Iterator[tuple[str, str, Decided]]:
    """The labels of each protocol, then its seen and its unseen labels: protocol, group and what is decided."""
    for name, protocol in protocols(test).items():
        if name not in scores:
            continue
        seen = protocol.columns < len(test.seen)
        values = test.targets.columns(protocol.columns).dense()
        known = values != 0 if test.targets.partial else np.ones(values.shape, np.bool_)
        probabilities = rule.probabilities(scores[name], seen)
        taken = rule.taken(probabilities, protocol.labels, seen)
        decided = Decided(scores[name], probabilities, taken, values > 0, known)
        yield name, "", decided
        if protocol.num_seen:
            yield name, "_seen", decided[: protocol.num_seen]
            yield name, "_unseen", decided[protocol.num_seen :]


def _named(protocol: str, metric: str, group: str) -> str:
    measure, at, k = metric.partition("@")
    return f"{protocol}/{measure}{group}{at}{k}"
