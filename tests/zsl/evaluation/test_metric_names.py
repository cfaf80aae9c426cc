"""The names of metrics: every measure is known to tables, and which of them a table shows."""

import numpy as np

from zsl.evaluation.decisions import with_decisions
from zsl.evaluation.measures import measure
from zsl.evaluation.metric_names import MEASURES, Facts, parsed, shown_columns
from zsl.evaluation.protocol import protocols
from zsl.prediction.thresholds import Rule, Thresholds


def test_every_measure_has_its_facts(test, scores):
    rule = Thresholds(Rule(1, 0, 0.5), Rule(1, 0, 0.5))
    metrics = with_decisions(measure(scores, test, (2, 5), shift=0.3), rule, scores, test, 0).metrics
    names = {metric: parsed(metric) for metric in metrics}
    assert {name.measure for name in names.values()} == MEASURES.keys()
    for metric, name in names.items():
        assert (name.protocol + ("-" + name.names if name.names else "")) in protocols(test)
        if name.facts.fraction:
            assert 0 <= metrics[metric] <= 1 or name.measure == "unseen_recall_lost"
    assert max(value for metric, value in metrics.items() if names[metric].measure == "coverage") > 1
    # a perfect ranking is the best there is
    best = measure({"gzsl": test.targets.dense().astype(np.float32)}, test, (2,)).metrics
    for metric in best.keys() & metrics.keys():
        if (
            names[metric].measure in ("map", "ranking_loss", "coverage", "label_ranking_ap")
            and not names[metric].chance
        ):
            assert (best[metric] < metrics[metric]) == names[metric].facts.lower


def test_names_are_taken_apart():
    name = parsed("gzsl-synonyms/calibrated_recall_seen@5")
    assert (name.protocol, name.names, name.measure, name.k) == ("gzsl", "synonyms", "recall_seen", "@5")
    assert parsed("zsl/f1@3_chance").chance
    assert parsed("zsl/of_a_later_version").facts == Facts()
    assert parsed("G MAC") is parsed("images/s") is None


def test_columns_of_a_table(test, scores):
    found = measure(scores, test, (2,), shift=0.3).metrics
    shown = shown_columns(["G MAC", *found])
    assert list(shown.values()) == [
        "unseen mAP", "unseen mAP, synonyms", "ZSL F1@2", "GZSL mAP", "seen mAP", "GZSL F1@2",
    ]  # fmt: skip
    seen = measure({"seen": scores["seen"]}, test, (2,)).metrics
    assert list(shown_columns(seen).values()) == ["seen alone mAP", "seen alone F1@2"]
    assert shown_columns(["closed/map", "closed/map_chance", "closed/f1@3", "closed/recall@3"]) == {
        "closed/map": "mAP",
        "closed/f1@3": "F1@3",
    }
