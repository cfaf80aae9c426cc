"""The measures of a protocol against their parts, the stamp, and the labels one by one."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from zsl.data.targets import Targets
from zsl.evaluation.generalisation import harmonic_mean, trade_off
from zsl.evaluation.measures import measure
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet, check_comparable, hash_of_names, left_out, make_stamp, protocols, recognise
from zsl.metrics import average_precision, chance_average_precision, f1_at_k, label_ranking, mean_average_precision

SEEN, UNSEEN = tuple(f"seen {n}" for n in range(11)), tuple(f"unseen {n}" for n in range(5))


@pytest.fixture
def test():
    generator = np.random.default_rng(0)
    table = generator.random((67, 16)) < 0.2
    table[:, 3] = table[:, 13] = False
    renamed = {"synonyms": tuple(f"other {n}" for n in range(5))}
    return TestSet("made", SEEN, UNSEEN, Targets.of(table), "sha256 x", renamed)


@pytest.fixture
def scores(test):
    generator = np.random.default_rng(1)
    return {n: generator.normal(size=(67, len(p.labels))).astype(np.float32) for n, p in protocols(test).items()}


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


def test_what_cannot_be_measured_is_named(test, scores):
    table = test.targets.dense().copy()
    table[:, 11:] = 0
    with pytest.raises(InputError, match="no test image of made has an unseen label"):
        measure(scores, replace(test, targets=Targets.of(table)), (2,))


def test_the_stamp_tells_protocols_apart(test):
    asked = protocols(test)
    stamp = make_stamp(test, asked, (3, 5))
    assert (stamp.test_set, stamp.images) == ("all", 67)
    assert stamp.labels["zsl"] == (5, hash_of_names(UNSEEN))
    assert stamp.positives_per_image["gzsl"] == test.targets.dense().sum() / 67
    assert stamp.as_json()["fingerprint"] == "sha256 x"
    labelled = replace(test, targets=test.targets[test.targets.columns(slice(11, None)).image_counts() > 0])
    assert make_stamp(labelled, asked, (3, 5)).test_set == "labelled"
    check_comparable({"a": stamp, "b": make_stamp(replace(test, name="other", fingerprint="y"), asked, (3, 5))})
    turned = replace(test, unseen=UNSEEN[::-1])
    check_comparable({"a": stamp, "b": make_stamp(test, {"zsl": asked["zsl"]}, (3, 5))})
    for other, told in (
        (make_stamp(labelled, asked, (3, 5)), r"test_set 'all' against 'labelled'; images 67 against \d+"),
        (make_stamp(turned, protocols(turned), (3, 5)), "labels of zsl '5 in order .*' against '5 in order"),
        (make_stamp(test, asked, (3,)), r"k \(3, 5\) against \(3,\)"),
        (make_stamp(test, {"other": asked["zsl"]}, (3, 5)), r"protocols \['zsl', .* against \['other'\]"),
    ):
        with pytest.raises(InputError, match=f"a and b do not answer the same question: {told}"):
            check_comparable({"a": stamp, "b": other})


def test_published_test_sets_are_recognised():
    assert "all 107,859" in recognise(81, 202_389 / 107_859)
    # K * precision / recall, from figures in percent that were rounded in print
    assert "83,898 test images that show one" in recognise(81, 3 * 0.4123 / 0.5128)
    assert "1,006" in recognise(1006, 6.80)
    assert recognise(81, 2.1) is None
    assert recognise(80, 1.8764) is None


def test_labels_one_by_one(test, scores):
    vectors = np.random.default_rng(3).normal(size=(16, 7)).astype(np.float32)
    notes = ("",) * 12 + ("mean of parts",) * 2 + ("",) * 2
    bank = Bank(SEEN + UNSEEN, vectors, notes=notes, num_seen=11)
    found = measure(scores, test, (2,))
    rows = per_label(found, test, bank, range(11))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit[11:] @ unit[:11].T
    np.testing.assert_allclose(rows.similarity[11:], similarity.max(1), atol=1e-6)
    assert rows.nearest[11:] == tuple(SEEN[row] for row in similarity.argmax(1))
    lines = list(csv.DictReader(io.StringIO(rows.as_csv())))
    assert [line["label"] for line in lines] == [*SEEN, *UNSEEN]
    assert (lines[2]["part"], lines[2]["train_images"], lines[2]["ap:zsl"]) == ("seen", "2", "")
    assert (lines[12]["part"], lines[12]["train_images"], lines[12]["note"]) == ("unseen", "0", "mean of parts")
    assert float(lines[12]["ap:zsl"]) == pytest.approx(found.ap["zsl"][1], rel=1e-5)
    assert lines[13]["ap:zsl"] == ""  # no positive
    told = rows.explanations()
    assert {title.partition(" (")[0] for title, *_ in told} == {
        "similarity to the nearest seen label",
        "test images",
        "vector found",
    }
    fallback = next(row for row in told if row[1] == "by a fallback")
    assert fallback[2:] == (pytest.approx(found.ap["zsl"][1]), 1)  # the other one has no positive
    alone = per_label(found, test)
    assert alone.nearest is None
    assert ",,,," in alone.as_csv()


@pytest.mark.skipif("ZSL_NUS_WIDE" not in os.environ, reason="ZSL_NUS_WIDE names no folder with the real annotation")
def test_the_real_annotation():
    with np.load(Path(os.environ["ZSL_NUS_WIDE"]) / "ground_truth_81.npz") as archive:
        truth = np.unpackbits(archive["labels_packed"], axis=1)[:, :81][archive["test_rows"]]
        concepts = tuple(archive["concepts"].astype(str).tolist())
    targets = Targets.of(truth)
    shown = np.flatnonzero(targets.image_counts())
    generator = np.random.default_rng(0)
    for rows, told in ((np.arange(107_859), "all 107,859 test images"), (shown, "the 83,898 test images")):
        test = TestSet("NUS-WIDE", (), concepts, targets[rows], "real")
        scores = {"zsl": generator.random((len(rows), 81), dtype=np.float32)}
        found = measure(scores, test, (3, 5), bootstrap=20)
        assert told in found.stamp.known_as()["zsl"]
        chance = found.chance["zsl"]
        # a rare label's AP varies by its own size; their mean does not
        assert found.metrics["zsl/map"] == pytest.approx(chance.mean(), rel=0.03)
        assert found.metrics["zsl/f1@3"] == pytest.approx(found.metrics["zsl/f1@3_chance"], rel=0.05)
        assert found.stamp.positives_per_image["zsl"] == pytest.approx(
            3 * found.metrics["zsl/precision@3"] / found.metrics["zsl/recall@3"]
        )
