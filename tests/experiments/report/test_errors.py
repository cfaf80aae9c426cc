"""The errors of a table's runs as a page holds them, bounded."""

import json

import pytest

from experiments.report import errors
from experiments.report.errors import error_data
from experiments.tables.table_folder import read_table_folder
from tests.experiments.report_folder import make_folder

VARIANTS = [{"query": "text"}, {"query": "none"}]


@pytest.fixture
def folder(tmp_path):
    """Two variants of 23 seen and 7 unseen labels, with five images each, of which two have a picture."""
    make_folder(tmp_path, VARIANTS, seeds=2, images=5)
    return tmp_path


def data_of(folder, best=1):
    return error_data(read_table_folder(folder), ["a", "b"], best)


def test_images_and_labels_are_numbered_once(folder):
    data = data_of(folder)
    views = data["embedded"]["views"]
    assert [(view["variant"], view["protocol"]) for view in views] == [(v, p) for v in (0, 1) for p in ("gzsl", "zsl")]
    assert (data["first"].variant, data["first"].protocol, data["first"].ranked) == (1, "gzsl", 47)
    assert (data["names"], len(data["pictures"])) == ([f"photo {i}" for i in range(5)], 2)
    assert [data["labels"][label] for label in sorted(data["unseen"])] == [f"unseen {i}" for i in range(7)]
    assert (data["listed"], data["tests"], data["best"], data["most"]) == (5, 59, 3, 1000)
    # labels that are missed in more images come first
    assert [one["missed"] for one in data["first"].confused] == [7, 1]
    # another list of labels in one run is merged by name
    path = folder / "runs/0-seed0/errors.json"
    value = json.loads(path.read_text())
    value["labels"][0] = "another"
    path.write_text(json.dumps(value))
    data = data_of(folder)
    assert (len(data["labels"]), data["labels"][0]) == (31, "another")
    first = [view["images"][0]["top"][0][0] for view in data["embedded"]["views"] if view["protocol"] == "gzsl"]
    assert [data["labels"][label] for label in first] == ["another", "seen 0"]


def test_the_page_is_bounded_and_says_so(folder, monkeypatch):
    sizes = [len(picture) for picture in data_of(folder)["pictures"].values()]
    monkeypatch.setattr(errors, "PICTURES", sum(sizes) - 1)
    assert len(data_of(folder)["pictures"]) == 1
    monkeypatch.setattr(errors, "ENTRIES", 12)
    data = data_of(folder)
    assert (data["most"], [len(view["images"]) for view in data["embedded"]["views"]]) == (3, [3] * 4)


def test_a_table_without_errors(folder):
    for path in folder.glob("runs/*/errors.json"):
        path.unlink()
    assert data_of(folder) is None
