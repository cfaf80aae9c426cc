"""Figures at thresholds against scikit-learn, and their replicates against images that are repeated."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import precision_recall_fscore_support

from zsl.data.targets import Targets
from zsl.evaluation.decisions import with_decisions
from zsl.evaluation.measures import measure
from zsl.evaluation.metric_names import shown_columns
from zsl.evaluation.probabilities import reliability
from zsl.evaluation.uncertainty import image_weights
from zsl.prediction.thresholds import Rule, Thresholds

RULE = Thresholds(Rule(0.7, 0.4, 0.55), Rule(1.3, -0.2, 0.4), {"seen 2": 0.9})


def _measured(scores, test, bootstrap=0):
    return with_decisions(measure(scores, test, (2,), bootstrap), RULE, scores, test, bootstrap)


def _taken(scores):
    scores = scores.astype(np.float64)
    probabilities = np.concatenate([expit((scores[:, :11] - 0.4) / 0.7), expit((scores[:, 11:] + 0.2) / 1.3)], axis=1)
    thresholds = np.array([0.55] * 11 + [0.4] * 5)
    thresholds[2] = 0.9
    return probabilities, probabilities > thresholds


@pytest.mark.parametrize(("group", "labels"), [("", slice(16)), ("_seen", slice(11)), ("_unseen", slice(11, 16))])
def test_figures_are_those_of_scikit_learn(scores, test, group, labels):
    found = _measured(scores, test).metrics
    probabilities, taken = (values[:, labels] for values in _taken(scores["gzsl"]))
    targets = test.targets.dense()[:, labels] > 0
    for prefix, average in (("", "micro"), ("macro_", "macro")):
        precision, recall, f1, _ = precision_recall_fscore_support(targets, taken, average=average, zero_division=0)
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert found[f"gzsl/{prefix}{name}{group}@threshold"] == pytest.approx(value)
    assert found[f"gzsl/ece{group}"] == reliability(probabilities.ravel(), targets.ravel()).error
    plain = expit(scores["gzsl"][:, labels].astype(np.float64))
    assert found[f"gzsl/ece_plain{group}"] == reliability(plain.ravel(), targets.ravel()).error


def test_unseen_labels_alone_follow_their_own_rule(scores, test):
    found = _measured({**scores, "zsl": scores["gzsl"][:, 11:], "seen": scores["gzsl"][:, :11]}, test)
    for alone, group in (("zsl", "unseen"), ("seen", "seen")):
        for measure_name in ("f1", "macro_recall"):
            among = found.metrics[f"gzsl/{measure_name}_{group}@threshold"]
            assert found.metrics[f"{alone}/{measure_name}@threshold"] == among
    assert "zsl-synonyms/f1@threshold" in found.metrics
    rule = {"seen": 0.55, "unseen": 0.4, "labels_with_their_own": 1, "company": None, "normalise": "none"}
    assert found.stamp.thresholds == rule


def test_other_figures_stay_and_a_closed_set_has_seen_labels_only(scores, test):
    closed = replace(test, unseen=(), renamed={}, targets=test.targets.columns(slice(11)))
    given = {"closed": scores["seen"]}
    plain, found = measure(given, closed, (2,)).metrics, _measured(given, closed).metrics
    assert {name: found[name] for name in plain} == plain
    assert found["closed/f1@threshold"] == _measured(scores, test).metrics["seen/f1@threshold"]
    assert not any(name.endswith("_seen@threshold") for name in found)


def test_a_replicate_repeats_the_images_drawn(scores, test):
    weights = image_weights(67, 30)
    found = _measured(scores, test, 30)
    rows = np.repeat(np.arange(67), weights[:, 7])
    drawn = replace(test, targets=Targets(test.targets.matrix[rows]))
    repeated = _measured({name: values[rows] for name, values in scores.items()}, drawn).metrics
    names = [name for name in found.replicates if name.endswith("@threshold")]
    assert len(names) == 6 + 3 * 6  # of zsl, and of gzsl with its two groups
    for name in names:
        assert found.replicates[name][7] == pytest.approx(repeated[name])
        low, high = found.intervals[name]
        assert low < found.metrics[name] < high


def test_the_interval_of_macro_f1_holds_it_even_if_labels_are_rare(test):
    table = np.zeros((67, 16), bool)
    table[np.arange(16), np.arange(16)] = True  # one image each, which a third of the replicates do not draw
    scores = {"gzsl": (6.0 * table - 3).astype(np.float32)}
    scores["gzsl"][20, 0] = 3  # one mistake
    found = _measured(scores, replace(test, targets=Targets.of(table)), 200)
    name = "gzsl/macro_f1@threshold"
    assert found.metrics[name] == pytest.approx((15 + 2 / 3) / 16)
    assert found.replicates[name].max() < found.metrics[name]
    low, high = found.intervals[name]
    assert low < found.metrics[name] < high


def test_entries_that_nobody_annotated_count_for_nothing(scores, test):
    table = test.targets.dense().copy()
    table[np.random.default_rng(2).random(table.shape) < 0.3] = -1
    partial = replace(test, targets=Targets(Targets.of(table).matrix, partial=True))
    found = _measured(scores, partial, 20)
    probabilities, taken = _taken(scores["gzsl"])
    known = table != 0
    precision, recall, f1, _ = precision_recall_fscore_support(table[known] > 0, taken[known], average="binary")
    for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert found.metrics[f"gzsl/{name}@threshold"] == pytest.approx(value)
    assert found.metrics["gzsl/ece"] == reliability(probabilities[known], table[known] > 0).error


def test_tables_show_f1_at_thresholds(scores, test):
    found = _measured(scores, test).metrics
    assert shown_columns(found)["gzsl/f1@threshold"] == "GZSL F1@threshold"
    assert "gzsl/f1_seen@threshold" not in shown_columns(found)
