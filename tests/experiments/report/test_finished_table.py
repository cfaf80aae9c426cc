"""What a finished grid writes and prints, from a folder alone; the tests of zsl ablate run complete grids."""

import io
import json
from dataclasses import asdict

import pytest

from experiments.grids.folder import FORMAT, GridFile
from experiments.grids.variants import Ablation, Variant
from experiments.output.console import PlainConsole
from experiments.report.finished_table import FILES, finish_table
from experiments.report.page import render
from experiments.tables.table_folder import read_table_folder
from tests.experiments.report_folder import make_folder
from zsl.runs.config import RunConfig

VARIANTS = (
    Variant({"decoder.query": "text", "decoder.head": "text"}, {"zsl/map": 0.287}),
    Variant({"decoder.query": "none", "decoder.head": "text"}),
)
ABLATION = Ablation("Query type", VARIANTS, "scenes", epoch="test images")
NOTE = (
    "The paper's columns are its figures on NUS-WIDE; compare orders and differences. "
    "Their epoch was chosen on test images."
)
WRITTEN = ["plot.png", "report.html", "report.md", "table.csv", "table.json", "table.tex"]


@pytest.fixture
def folder(tmp_path):
    """The folder of a grid of two variants and three seeds, all finished."""
    made = tmp_path / "table"
    make_folder(made, [variant.axes for variant in VARIANTS])
    (made / "table.json").unlink()
    plan = GridFile(FORMAT, "0" * 32, "Query type", RunConfig().model_dump(mode="json"), (0, 1, 2), ())
    (made / "grid.json").write_text(json.dumps(asdict(plan)))
    return made


def finished(folder, width=200):
    """What is printed."""
    console = PlainConsole(width)
    console.file = io.StringIO()
    finish_table(folder, ABLATION, "zsl ablate mine", console)
    return console.file.getvalue()


def written(folder):
    return sorted(path.name for path in folder.iterdir() if path.name in WRITTEN)


def test_a_whole_table_is_written_and_printed(folder):
    printed = finished(folder)
    assert written(folder) == WRITTEN
    page = (folder / "report.md").read_text()
    assert page.startswith("# Query type\n\n| query | head | unseen mAP |")
    for text in (printed, page):
        assert "paper: unseen mAP" in text
        assert "28.7" in text
        assert NOTE in " ".join(text.split())
    for page in ((folder / "report.html").read_text(), render([read_table_folder(folder)])):
        assert NOTE.replace("'", "&#39;") in page
    assert "zsl ablate mine" in (folder / "report.html").read_text()
    assert json.loads((folder / "table.json").read_text())["command"] == "zsl ablate mine"
    assert FILES in " ".join(printed.split())
    assert "F1@K are in report.md" in finished(folder, 90)


def test_the_table_holds_the_variants_with_all_seeds(folder):
    path = folder / "results.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps(records[:-1]))
    finished(folder)
    assert "| none |" not in (folder / "report.md").read_text()
    assert "2 lacks 2" in (folder / "report.html").read_text()


def test_nothing_is_written_without_a_variant_with_all_seeds(folder):
    path = folder / "results.json"
    path.write_text(json.dumps([record for record in json.loads(path.read_text()) if record["seed"] < 2]))
    assert finished(folder) == ""
    assert written(folder) == []
