"""Measures of scores under each protocol (ZSL, GZSL, seen labels), with intervals and the stamp of the question."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from embeddings.io.errors import InputError
from zsl.evaluation.bootstrap import bootstrap_average_precision, bootstrap_f1_at_k
from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.protocol import Protocol, TestSet, check_measurable, fitting, protocols
from zsl.evaluation.stamp import UNKNOWN, Form, make_stamp
from zsl.evaluation.trade_off import TradeOff, harmonic_mean
from zsl.evaluation.uncertainty import image_weights
from zsl.metrics.average_precision import average_precision, mean_average_precision, mean_over_labels, weighted_mean
from zsl.metrics.chance import chance_average_precision, chance_f1_at_k
from zsl.metrics.f1 import top_k_counts
from zsl.metrics.label_ranking import label_ranking

INTERVALS = ("closed", "zsl", "gzsl")  # protocols with intervals: the bootstrap of a large vocabulary takes long
Scores = Float[np.ndarray, "image label"]


def measure(
    scores: Mapping[str, Scores],
    test: TestSet,
    k: Sequence[int],
    bootstrap: int = 0,
    shift: float | None = None,
    form: Form = UNKNOWN,
) -> Evaluation:
    """Every measure of every protocol; docs/evaluation.md defines each.

    For each protocol: `map` over the labels with a positive test image, its variants, F1, precision and recall at K,
    rankings of the labels of an image, and chance. For "gzsl" also the parts of seen and of unseen labels and their
    trade-off. If annotations are partial, entries that nobody annotated count in no measure.

    Args:
        scores: (image, label) by protocol; only these protocols are measured.
        test: the test set that the scores are of.
        k: the numbers of labels taken per image, for F1@K; a protocol with fewer labels than K is measured without it.
        bootstrap: number of replicates over test images, for intervals; 0 for none.
        shift: a bias that is subtracted from seen logits, chosen on validation data; adds the `calibrated_...` metrics.
        form: of the scores, for the stamp.
    Returns:
        the metrics, with the values that they are computed from.
    Raises:
        InputError: a protocol without a positive; a shift that is not finite.
        ValueError: shapes that do not fit; scores that are not finite.
    """
    if shift is not None and not np.isfinite(shift):
        raise InputError(f"the shift of seen logits is {shift}; it must be a finite number")
    metrics, replicates = dict[str, float](), dict[str, np.ndarray]()
    ap, chance, trade_offs = {}, {}, {}
    weights = image_weights(len(test.targets), bootstrap) if bootstrap else None
    asked = _asked(scores, test)
    for name, protocol in asked.items():
        values = test.targets.columns(protocol.columns).dense()
        targets, annotated = values > 0, (values != 0 if test.targets.partial else None)
        given, fit = scores[name], fitting(k, protocol)
        ap[name] = average_precision(given, targets, annotated)
        chance[name] = chance_average_precision(targets, annotated)
        found = _of_labels(ap[name], chance[name], protocol, targets) | _of_images(given, targets, fit, annotated)
        if name == "gzsl":
            trade_offs = {labels: trade_off(given, targets, protocol.num_seen, labels, annotated) for labels in fit}
            for curve in trade_offs.values():
                found |= _of_curve(curve, shift)
        metrics |= {f"{name}/{metric}": value for metric, value in found.items()}
        if weights is not None and name in INTERVALS:
            drawn = _of_replicates(bootstrap_average_precision(given, targets, weights, annotated), protocol)
            drawn |= {f"f1@{n}": bootstrap_f1_at_k(given, targets, n, weights, annotated) for n in fit}
            replicates |= {f"{name}/{metric}": v for metric, v in drawn.items() if not np.isnan(found[metric])}
    metrics |= _lost(metrics, trade_offs)
    defined = {name: value for name, value in metrics.items() if not np.isnan(value)}
    return Evaluation(defined, replicates, ap, chance, trade_offs, make_stamp(test, asked, k, shift, form))


def _asked(scores: Mapping[str, Scores], test: TestSet) -> dict[str, Protocol]:
    """The protocols that have scores; without "seen" if no test image shows a seen label."""
    shown = test.targets.label_counts()[: len(test.seen)].any()
    asked = {n: p for n, p in protocols(test).items() if n in scores and (n != "seen" or shown)}
    check_measurable(test, asked)
    return asked


def _of_images(scores: Scores, targets: np.ndarray, k: Sequence[int], annotated: np.ndarray | None) -> dict[str, float]:
    """Measures over all entries, or image by image."""
    found = {"map_micro": mean_average_precision(scores, targets, average="micro", annotated=annotated)}
    for labels, counts in top_k_counts(scores, targets, k, annotated).items():
        for prefix, result in (("", counts.micro()), ("macro_", counts.macro())):
            found |= {f"{prefix}{part}@{labels}": value for part, value in result._asdict().items()}
        found[f"f1@{labels}_chance"] = chance_f1_at_k(targets, labels, annotated)
    if annotated is None:
        loss, coverage, precision = label_ranking(scores, targets)
        found |= {"ranking_loss": loss, "coverage": coverage, "label_ranking_ap": precision}
    return found


def _lost(metrics: Mapping[str, float], k: Iterable[int]) -> dict[str, float]:
    """How much recall unseen labels lose by competing with seen ones."""
    pairs = {n: (f"zsl/recall@{n}", f"gzsl/recall_unseen@{n}") for n in k}
    return {
        f"gzsl/unseen_recall_lost@{n}": metrics[alone] - metrics[among]
        for n, (alone, among) in pairs.items()
        if alone in metrics
    }


def _of_labels(ap: np.ndarray, chance: np.ndarray, protocol: Protocol, targets: np.ndarray) -> dict[str, float]:
    """Means over labels."""
    found = {
        "map": mean_over_labels(ap),
        "map_absent_zero": mean_over_labels(ap, "zero"),
        "map_weighted": weighted_mean(ap, targets.sum(0)),
        "map_chance": mean_over_labels(chance),
    }
    if protocol.num_seen:
        seen, unseen = mean_over_labels(ap[: protocol.num_seen]), mean_over_labels(ap[protocol.num_seen :])
        found |= {"map_seen": seen, "map_unseen": unseen, "map_harmonic": harmonic_mean(seen, unseen)}
        found["map_seen_chance"] = mean_over_labels(chance[: protocol.num_seen])
        found["map_unseen_chance"] = mean_over_labels(chance[protocol.num_seen :])
    return found


def _of_curve(curve: TradeOff, shift: float | None) -> dict[str, float]:
    """Measures of seen and unseen labels without a shift, and with one that was chosen elsewhere."""
    found = {f"ausuc@{curve.k}": curve.area}
    for prefix, bias in (("", 0.0), ("calibrated_", shift)):
        if bias is None:
            continue
        step = curve.step(bias)
        seen, unseen = curve.f1(step, "seen"), curve.f1(step, "unseen")
        found |= {
            f"{prefix}recall_seen@{curve.k}": seen.recall,
            f"{prefix}recall_unseen@{curve.k}": unseen.recall,
            f"{prefix}recall_harmonic@{curve.k}": harmonic_mean(seen.recall, unseen.recall),
            f"{prefix}f1_seen@{curve.k}": seen.f1,
            f"{prefix}f1_unseen@{curve.k}": unseen.f1,
        }
        if prefix:
            found[f"{prefix}f1@{curve.k}"] = curve.f1(step).f1
    return found


def _of_replicates(ap: Float[np.ndarray, "replicate label"], protocol: Protocol) -> dict[str, np.ndarray]:
    """Means over labels in each replicate."""
    drawn = {"map": _mean(ap)}
    if protocol.num_seen:
        seen, unseen = _mean(ap[:, : protocol.num_seen]), _mean(ap[:, protocol.num_seen :])
        total = seen + unseen
        harmonic = np.divide(2 * seen * unseen, total, out=np.zeros(len(total)), where=total > 0)
        drawn |= {"map_seen": seen, "map_unseen": unseen, "map_harmonic": harmonic}
    return drawn


def _mean(values: Float[np.ndarray, "replicate label"]) -> Float[np.ndarray, " replicate"]:
    """Mean over the labels that a replicate shows."""
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    return np.divide(np.nansum(values, axis=1), count, out=np.full(len(values), np.nan), where=count > 0)
