"""The stamp tells questions apart, and published test sets are recognised."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.evaluation.conftest import UNSEEN
from zsl.data.targets import Targets
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.stamp import Form, check_comparable, hash_of_names, make_stamp, recognise


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
    alone, grouped = (make_stamp(test, asked, (3, 5), form=Form(company)) for company in ("alone", "grouped"))
    check_comparable({"a": stamp, "b": alone})  # of `stamp` it is not known
    with pytest.raises(InputError, match="company 'grouped' against 'alone'"):
        check_comparable({"a": grouped, "b": alone})
    plain, image = (make_stamp(test, asked, (3, 5), form=Form("alone", how)) for how in ("none", "image"))
    check_comparable({"a": alone, "b": image})
    with pytest.raises(InputError, match="normalise 'none' against 'image'"):
        check_comparable({"a": plain, "b": image})
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
    assert "all 107,859" in recognise(81, 1.8764, 107_859)
    assert recognise(81, 1.8764, 5_000) is None  # other images that happen to have as many positives
    assert "60,260" in recognise(81, 1.882, 60_260)
    assert "60,260" in recognise(81, 113_410 / 60_258, 60_258)  # the official lists lack two of its images
    assert recognise(81, 1.882, 60_259) is None
    assert recognise(81, 2.0, 60_260) is None  # as many other images
    assert recognise(196, 1.0) is recognise(196, 1.1, 8_041) is None
    assert "Stanford Cars" in recognise(196, 1.0, 8_041)
    assert "RAM" in recognise(17, 1.3, 2_729)
    assert recognise(81, 1.882) is None  # rounded figures do not tell it from all images
    assert "Open Images v4" in recognise(400, 0.3, 125_436)


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


@pytest.mark.skipif("ZSL_NUS_WIDE" not in os.environ, reason="ZSL_NUS_WIDE names no folder with the real annotation")
def test_the_real_list_of_60260_images():
    folder = Path(os.environ["ZSL_NUS_WIDE"])
    with np.load(folder / "ground_truth_81.npz") as archive:
        truth = np.unpackbits(archive["labels_packed"], axis=1)[:, :81]
        rows = {number: row for row, number in enumerate(archive["flickr_id_imagelist_order"].tolist())}
    listed = [int(name.rpartition("_")[2]) for name in (folder / "test_60260.txt").read_text().split()]
    shown = truth[[rows[number] for number in listed if number in rows]]
    assert (len(listed), len(shown)) == (60_260, 60_258)
    assert "60,260" in recognise(81, float(shown.sum() / len(shown)), len(shown))
