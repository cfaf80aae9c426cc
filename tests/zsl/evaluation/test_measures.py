"""The measures of a protocol against their parts."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.evaluation.conftest import SEEN
from zsl.data.targets import Targets
from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet, left_out
from zsl.evaluation.trade_off import harmonic_mean
from zsl.metrics.average_precision import average_precision, mean_average_precision
from zsl.metrics.chance import chance_average_precision
from zsl.metrics.f1 import f1_at_k
from zsl.metrics.label_ranking import label_ranking


def test_every_measure_is_that_of_its_function(test, scores):
    found = measure(scores, test, (2, 5), shift=0.3).metrics
    table = test.targets.dense()
    for name, columns in (("zsl", slice(11, None)), ("zsl-synonyms", slice(11, None)), ("gzsl", slice(0, None))):
        targets, own = table[:, columns], scores[name]
        assert found[f"{name}/map"] == mean_average_precision(own, targets)
        assert found[f"{name}/map_absent_zero"] == mean_average_precision(own, targets, "zero")
        for average in ("weighted", "micro"):
            assert found[f"{name}/map_{average}"] == mean_average_precision(own, targets, average=average)
        assert found[f"{name}/map_chance"] == np.nanmean(chance_average_precision(targets))
        assert found[f"{name}/f1@5"] == f1_at_k(own, targets, 5).f1
        assert found[f"{name}/macro_recall@2"] == f1_at_k(own, targets, 2, "macro").recall
        assert found[f"{name}/coverage"] == label_ranking(own, targets).coverage
    assert found["seen/map"] == mean_average_precision(scores["seen"], table[:, :11])
    ap = average_precision(scores["gzsl"], table)
    seen, unseen = np.nanmean(ap[:11]), np.nanmean(ap[11:])
    assert found["gzsl/map_seen"] == pytest.approx(seen)
    assert found["gzsl/map_unseen"] == pytest.approx(unseen)
    assert found["gzsl/map_harmonic"] == pytest.approx(2 * seen * unseen / (seen + unseen))
    curve = trade_off(scores["gzsl"], table, 11, 2)
    assert found["gzsl/ausuc@2"] == curve.area
    for prefix, shift in (("", 0.0), ("calibrated_", 0.3)):
        recalls = curve.seen_recall[curve.step(shift)], curve.unseen_recall[curve.step(shift)]
        assert found[f"gzsl/{prefix}recall_harmonic@2"] == pytest.approx(harmonic_mean(*recalls))
    shifted = scores["gzsl"].astype(np.float64)
    shifted[:, :11] -= 0.3
    assert found["gzsl/calibrated_f1@2"] == pytest.approx(f1_at_k(shifted, table, 2).f1)
    assert found["gzsl/unseen_recall_lost@5"] == found["zsl/recall@5"] - found["gzsl/recall_unseen@5"]


def test_partial_annotations_are_left_out(test, scores):
    table = test.targets.dense().copy()
    table[np.random.default_rng(2).random(table.shape) < 0.3] = -1
    partial = replace(test, targets=Targets(Targets.of(table).matrix, partial=True))
    found = measure(scores, partial, (2,), bootstrap=20)
    known = table[:, 11:] != 0
    assert found.metrics["zsl/map"] == np.nanmean(average_precision(scores["zsl"], table[:, 11:] > 0, known))
    assert found.metrics["zsl/f1@2"] == f1_at_k(scores["zsl"], table[:, 11:] > 0, 2, annotated=known).f1
    assert "zsl/coverage" not in found.metrics
    assert "nobody annotated" in str(found.stamp.partial)
    assert found.intervals


def test_intervals_are_about_the_figures(test, scores):
    found = measure(scores, test, (2,), bootstrap=100)
    assert {"zsl/map", "gzsl/map_harmonic", "gzsl/map_seen", "gzsl/f1@2"} <= found.intervals.keys()
    for name, (low, high) in found.intervals.items():
        assert low < found.metrics[name] < high, name
    assert not measure(scores, test, (2,)).intervals


def test_a_closed_set_and_a_set_without_seen_test_labels(test, scores):
    closed = TestSet("closed", SEEN, (), test.targets.columns(slice(0, 11)), "x")
    found = measure({"closed": scores["seen"]}, closed, (2,))
    assert found.metrics["closed/map"] == mean_average_precision(scores["seen"], closed.targets.dense())
    assert not found.trade_offs
    table = test.targets.dense().copy()
    table[:, :11] = 0
    unseen_only = replace(test, targets=Targets.of(table))
    measured = measure(scores, unseen_only, (2,), bootstrap=5)
    assert "gzsl/map_unseen" in measured.intervals
    assert "gzsl/map_seen" not in measured.intervals
    found = measured.metrics
    assert "seen/map" not in found
    assert "gzsl/map_seen" not in found  # not defined, so not there
    assert found["gzsl/map_unseen"] > 0


def test_a_protocol_is_measured_at_the_k_that_it_has_labels_for(test, scores):
    found, small = measure(scores, test, (2, 6, 17), bootstrap=2), measure(scores, test, (2,))
    assert {name for name in found.metrics if name.startswith("zsl/")} == {n for n in small.metrics if n[:4] == "zsl/"}
    assert {"gzsl/f1@6", "seen/f1@6", "gzsl/ausuc@6"} < found.metrics.keys()  # 16 and 11 labels, 5 of them unseen
    assert not [name for name in found.metrics if name.endswith("@17")]
    assert "zsl/f1@6" not in found.replicates
    asked = {name: count for name, (count, _) in found.stamp.labels.items() if "-" not in name}
    assert left_out(asked, found.stamp.k) == [
        "zsl ranks 5 labels, too few for F1@6, F1@17 (evaluate.k).",
        "gzsl ranks 16 labels, too few for F1@17 (evaluate.k).",
        "seen ranks 11 labels, too few for F1@17 (evaluate.k).",
    ]
    assert not measure(scores, test, ()).trade_offs


def test_scores_that_cannot_be_measured_are_refused(test, scores):
    table = test.targets.dense().copy()
    table[:, 11:] = 0
    with pytest.raises(InputError, match="no test image of made has an unseen label"):
        measure(scores, replace(test, targets=Targets.of(table)), (2,))
