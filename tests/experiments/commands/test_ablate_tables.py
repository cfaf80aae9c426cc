"""Every table of `zsl ablate` from beginning to end, at small size."""

import csv
import html
import json
import re

import pytest

from experiments.bench.cost_tables import COST_TABLES
from experiments.config.reading import load_config
from experiments.grids.grid import table_grid
from experiments.grids.paper_tables import ABLATIONS
from tests.experiments.command import refused, zsl

ELSEWHERE = {"table7", "table8", "encoders"}  # in test_ablate.py
ON_FILES = {"table14", "table17"}  # tables of datasets that are not drawn
TINY = ("backbone=resnet10t", "image_size=32", "classes=[3, 205]", "rounds=2")
MEASURED = {
    "table9": TINY,
    "table11": ("classes=[5, 103]", "batch_size=1", "tokens=7", "rounds=1"),
    "table12": (*TINY, 'heads=["ML-Decoder"]'),
}


@pytest.mark.parametrize("name", sorted(ABLATIONS.keys() - ELSEWHERE - ON_FILES))
def test_a_table_is_trained_tested_and_reported(name, small, tmp_path):
    out, table = tmp_path / name, ABLATIONS[name]
    result = zsl("ablate", name, "--out", out, *small)
    assert result.exit_code == 0, result.stderr
    records = json.loads((out / "results.json").read_text())
    assert len(records) == len(table.variants)
    main = "closed/map" if "closed/map" in records[0]["metrics"] else "zsl/map"
    for record, variant in zip(records, table.variants, strict=True):
        assert variant.axes.items() <= record["variant"].items()
        assert 0 < record["metrics"][main] <= 1
        assert record["metrics"]["G MAC"] > 0
        assert variant.paper.keys() <= record["metrics"].keys()  # beside a figure of ours
    weights = {(out / record["run"] / "readout.safetensors").read_bytes() for record in records}
    assert len(weights) == len(records)  # no two variants are one
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    assert ("paper: " in text) == any(variant.paper for variant in table.variants)
    assert all(record["variant"].get("kind", "") in page for record in records)
    assert table.caption in page


TINY_RECIPE = (
    "data.image_size=32",
    "backbone.name=test_convnext",  # without batch normalisation: the sets train on one image or two
    "backbone.pretrained=false",
    "decoder.width=16",
    "decoder.ffn=16",
    "decoder.attention_heads=2",
    "train.epochs=1",
    "train.validation=0.5",
    "train.workers=0",
    "evaluate.k=[1]",
)


@pytest.mark.parametrize(
    ("name", "recipe", "groups", "published"),
    [
        ("table14", "voc", [], ["closed/map", 0.958, 0.966]),
        ("table17", "cifar100", ["decoder.num_groups=2"], ["closed/f1@1", None, 0.951]),
        ("table17", "stanford_cars", ["decoder.num_groups=2"], ["closed/f1@1", None, 0.9641]),
    ],
)
def test_a_table_of_a_published_dataset_runs_on_it(name, recipe, groups, published, request, tmp_path):
    root = request.getfixturevalue({"voc": "voc", "cifar100": "cifar", "stanford_cars": "cars"}[recipe])
    root, out = root[0] if recipe == "cifar100" else root, tmp_path / "out"
    settings = [f"data.root={root}", *TINY_RECIPE, *groups]
    config = [] if recipe == ABLATIONS[name].recipe else ["--config", recipe]
    options = [argument for setting in settings for argument in ("--set", setting)]
    result = zsl("ablate", name, *config, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    records = json.loads((out / "results.json").read_text())
    assert [record["variant"]["kind"] for record in records] == ["gap", "ml-decoder"]
    assert all(0 <= record["metrics"][published[0]] <= 1 for record in records)
    shown = [row.split(" | ")[-1].strip("| ") for row in (out / "report.md").read_text().splitlines() if "| " in row]
    assert shown[0].startswith("paper: ")
    assert shown[2:4] == ["" if value is None else f"{100 * value:.4g}" for value in published[1:]]
    assert json.loads((out / "table.json").read_text())["caption"].startswith(f"Table {name[5:]}: ")


@pytest.mark.parametrize("name", COST_TABLES)
def test_a_table_of_costs_is_measured_and_reported(name, tmp_path):
    out = tmp_path / name
    settings = [argument for setting in MEASURED[name] for argument in ("--set", setting)]
    result = zsl("ablate", name, "--out", out, *settings)
    assert result.exit_code == 0, result.stderr
    records = json.loads((out / "results.json").read_text())
    assert len(records) == {"table9": 6, "table11": 6, "table12": 2}[name]
    assert all(value > 0 for r in records for key, value in r["metrics"].items() if "growth" not in key)
    page, report = (out / "report.html").read_text(), (out / "report.md").read_text()
    assert "Measured on" in page
    assert "Training</h3>" not in page
    assert "Repeat with `" in report
    setup = json.loads((out / "table.json").read_text())["setup"]
    assert setup in html.unescape(page)
    assert setup in report
    _agree(out, result.stdout)
    refused(zsl("ablate", name, "--out", out, *settings), "exists")


def _agree(out, console):
    """Checks that every form of a table of costs has the columns and cells of table.csv."""
    header, *rows = csv.reader((out / "table.csv").read_text().splitlines())
    report = [line for line in (out / "report.md").read_text().splitlines() if line.startswith("|")]
    assert [_stripped(line[1:-1].split("|")) for line in report] == [header, ["---"] * len(header), *rows]
    lines = [line.removesuffix(r" \\") for line in (out / "table.tex").read_text().splitlines() if "&" in line]
    assert [_stripped(line.replace(r"\%", "%").split("&")) for line in lines] == [header, *rows]
    assert [_stripped(line[1:-1].split("│")) for line in console.splitlines() if line.startswith("│")] == rows
    page = (out / "report.html").read_text()
    lines = page[page.index("<thead>") : page.index("</tbody>")].split("</tr>")[:-1]
    cells = [re.findall(r"<t[hd] .*?</t[hd]>", line, re.DOTALL)[1:] for line in lines]  # without the row's number
    names, *shown = [_stripped(html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in line) for line in cells]
    # the page has the paper's columns beside ours, and says "none" where nothing was measured
    found = [dict(zip(names, line, strict=True)) for line in shown]
    assert [[line[name].replace("none", "") for name in header] for line in found] == rows
    assert len(names) == len(header)


def _stripped(cells):
    return [cell.strip() for cell in cells]


def test_tables_of_costs_refuse_options_of_training(tmp_path):
    out = tmp_path / "out"
    refused(zsl("ablate", "table9", "--seeds", 3, "--out", out), "--seeds: table9 is measured, not trained")
    refused(zsl("ablate", "table9", "--set", "train.lr=1", "--out", out), "known: backbone, image_size, classes")
    refused(zsl("ablate", "table9", "--set", "rounds=0", "--out", out), "rounds: Input should be greater than 0")
    refused(zsl("ablate", "table9", "--set", 'heads=["MLP"]', "--out", out), "unknown head 'MLP'")
    assert not out.exists()


def test_photographs_get_the_resolutions_of_the_paper():
    config = load_config("coco", [])
    grid = table_grid(ABLATIONS["table13"], config, 1)
    assert [one.data.image_size for one in grid.configs] == [224, 448, 640]
    assert [v.paper["closed/map"] for v in grid.ablation.variants] == pytest.approx([0.855, 0.9, 0.911])


@pytest.mark.parametrize("name", ABLATIONS)
def test_one_option_runs_every_table_on_real_data(name):
    closed = name in ("table7", "table10", "table13", "table14", "table15")
    recipe = "imagenet_softmax" if name in ("table16", "table17") else "coco" if closed else "nus_wide"
    grid = table_grid(ABLATIONS[name], load_config(recipe, list(ABLATIONS[name].settings)), 2)
    assert len(grid.runs) == 2 * len(grid.ablation.variants)
    # what trains nothing has the backbone as it is at first; under one that is trained all have one rate
    solved = [config for config in grid.configs if config.decoder.kind == "eszsl"]
    assert all(config.backbone.mode == "frozen" for config in solved)
    assert {config.train.lr for config in grid.configs} == {grid.config.train.lr}
