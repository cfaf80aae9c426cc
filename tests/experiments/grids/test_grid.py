"""A grid measures all its runs on the same test."""

from experiments.config.reading import load_config
from experiments.grids.grid import table_grid
from experiments.grids.paper_tables import ABLATIONS
from experiments.grids.variants import Ablation, Variant
from tests.experiments.command import refused, zsl


def test_the_same_test_in_another_size_is_one_protocol(tmp_path):
    grid = tmp_path / "sizes.toml"
    text = 'config = "demo"\naxes.data.KEY = [VALUES]\ndata = {train = 80, test = 60, image_size = 32}\n'
    grid.write_text(text.replace("KEY", "image_size").replace("VALUES", "32, 48"))
    shown = zsl("ablate", grid, "--dry-run", "--out", tmp_path / "out")
    assert "changes data.image_size = 48" in shown.stdout
    grid.write_text(text.replace("KEY", "seed").replace("VALUES", "0, 1"))
    refused(zsl("ablate", grid, "--dry-run", "--out", tmp_path / "out"), "data.seed changes the protocol")
    assert not (tmp_path / "out").exists()


def test_a_row_tells_what_it_changes_in_the_tables_own_axes():
    table = ABLATIONS["table8"]
    grid = table_grid(table, load_config("demo", []), 2)
    told = {run.folder: grid.changed_axes(run) for run in grid.runs}
    assert told["runs/ml-decoder-learnable-text-seed0"] == {"decoder.query": "learnable"}
    assert told["runs/eszsl-none-none-seed0"] == {"decoder.kind": "eszsl"}  # not the keys that it lacks
    assert told["runs/eszsl-none-none-seed1"] == {"decoder.kind": "eszsl", "train.seed": 1}
    assert len(grid.changes(grid.runs[4])) > 5


def test_an_axis_that_is_a_section_is_told_by_its_keys():
    variants = (Variant({"backbone.pretrain": None}), Variant({"backbone.pretrain": {"epochs": 2}}))
    grid = table_grid(Ablation("Pretraining", variants, recipe="demo"), load_config("demo", []), 1)
    without, short = (grid.changed_axes(run) for run in grid.runs)
    assert without == {"backbone.pretrain": None}
    assert short["backbone.pretrain.epochs"] == 2
