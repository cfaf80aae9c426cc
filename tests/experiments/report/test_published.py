"""Published figures stand beside a table only on the same test set."""

import json
import re

import pytest

from experiments.report.page import render
from experiments.report.published import published, published_beside
from experiments.tables.table_folder import read_table_folder
from tests.experiments.report_folder import make_folder
from zsl.evaluation.metric_names import parsed
from zsl.evaluation.stamp import KNOWN

STAMP = {
    "data": "nus-wide",
    "test_set": "all",
    "images": 107_859,
    "positives_per_image": {"zsl": 1.8764, "gzsl": 6.8},
    "labels": {"zsl": [81, "x"], "gzsl": [1006, "y"]},
    "absent": "",
    "partial": None,
    "k": [3, 5],
    "truth": "t",
    "fingerprint": "f",
}


def folder_of(path, data="nus-wide", **changes):
    make_folder(path, [{"query": "text"}, {"query": "none"}], seeds=1)
    for run in (path / "runs").iterdir():
        for name, key, value in (
            ("metrics.json", "protocol", STAMP | changes),
            ("config.json", "data", {"name": data}),
        ):
            content = json.loads((run / name).read_text()) | {key: value}
            (run / name).write_text(json.dumps(content))
    return read_table_folder(path)


def methods(beside):
    return [(one.method, sorted(one.metrics)) for one in beside.figures]


def test_every_figure_has_a_known_test_set_and_metrics():
    found = published()
    assert {title for titles in found.sets.values() for title in titles.values()} <= set(KNOWN)
    for one in found.figures:
        protocols = {parsed(metric).protocol for metric in one.metrics}
        assert protocols <= found.sets[one.set].keys()
        assert all(0 < value < 100 for value in one.metrics.values())


def test_figures_of_the_same_test_set_are_shown(tmp_path):
    beside = published_beside(folder_of(tmp_path))
    assert ("BiAM", ["gzsl/map", "zsl/f1@3", "zsl/f1@5", "zsl/map"]) in methods(beside)
    assert "DualCoOp" not in dict(methods(beside))
    assert "all 107,859" in beside.sets["zsl"]
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", render([read_table_folder(tmp_path)])))
    assert "BiAM (2021) VGG19 25.1" in page
    assert "; second-hand" in page  # MKT
    assert "Epoch chosen on test images" not in page
    (tmp_path / "zsl").mkdir()
    alone = published_beside(folder_of(tmp_path / "zsl", labels={"zsl": [81, "x"], "gzsl": [600, "y"]}))
    assert {metric for one in alone.figures for metric in one.metrics} == {"zsl/map", "zsl/f1@3", "zsl/f1@5"}


def test_methods_that_chose_their_epoch_on_test_images_are_named(tmp_path):
    folder = folder_of(tmp_path, images=83_898, positives_per_image={"zsl": 2.4123, "gzsl": 7.0})
    assert methods(published_beside(folder)) == [
        ("DualCoOp", ["zsl/map"]),
        ("RAM (EricTan7)", ["gzsl/f1@3", "zsl/map"]),
    ]
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", render([folder])))
    assert "Epoch chosen on test images: DualCoOp, RAM (EricTan7). Such a figure is the best of many models" in page
    assert "test images: best unseen F1" in page


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"images": 60_260, "positives_per_image": {"zsl": 1.882, "gzsl": 6.8}}, ["PIAA, no training"]),
        ({"images": 83_898, "positives_per_image": {"zsl": 2.4123, "gzsl": 6.8}}, ["DualCoOp", "RAM (EricTan7)"]),
        ({"images": 125_436, "labels": {"zsl": [400, "x"]}, "positives_per_image": {"zsl": 0.3}}, ["BiAM"]),
        (
            {"images": 4_952, "labels": {"closed": [20, "x"]}, "positives_per_image": {"closed": 1.5}},
            ["RNN", "FeV+LV", "ML-GCN", "SSGRL", "BMML", "ASL", "Q2L", "ML-Decoder"],
        ),
        (
            {"images": 8_041, "labels": {"closed": [196, "x"]}, "positives_per_image": {"closed": 1.0}},
            ["EffNet-L2 (SAM)", "ALIGN", "DAT", "ML-Decoder"],
        ),
        ({"images": 107_000}, None),
        (
            {"labels": {"zsl": [80, "x"], "gzsl": [1006, "y"]}, "positives_per_image": {"zsl": 1.8764, "gzsl": 1.0}},
            None,
        ),
        ({"positives_per_image": {"zsl": 2.4123, "gzsl": 1.0}}, None),
        ({"data": "scenes"}, None),
        ({"labels": 7}, None),
    ],
)
def test_the_number_of_images_and_of_labels_decides(tmp_path, changes, shown):
    beside = published_beside(folder_of(tmp_path, **changes))
    assert (None if beside is None else [one.method for one in beside.figures]) == shown


def test_runs_on_different_test_sets_have_nothing_beside_them(tmp_path):
    folder_of(tmp_path)
    path = tmp_path / "runs/1-seed0/metrics.json"
    path.write_text(path.read_text().replace("107859", "83898"))
    assert published_beside(read_table_folder(tmp_path)) is None
