"""The examples run, on tiny data."""

import runpy
import sys

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from tests.docs.pages import ROOT
from tests.photos import photos  # noqa: F401 - a fixture

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def run(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_folder_of_pictures(monkeypatch, capsys, tmp_path, photos):  # noqa: F811
    import timm

    weights = tmp_path / "weights.pt"
    torch.save(timm.create_model("resnet10t").state_dict(), weights)
    options = [
        "--encoder",
        "lexical",
        "--backbone",
        "resnet10t",
        "--weights",
        weights,
        "--image-size",
        32,
        "--epochs",
        1,
    ]
    run(monkeypatch, "folder_of_pictures.py", photos, *options, "--out", tmp_path / "run")
    told = capsys.readouterr().out
    assert "zsl/map: " in told
    assert "by chance" in told
    assert (tmp_path / "run" / "run.json").is_file()


@pytest.mark.parametrize(("name", "told"), [("own_parts.py", "unseen mAP"), ("compare_readouts.py", "closed form: ")])
def test_drawn_pictures(monkeypatch, capsys, tmp_path, name, told):
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, name, "--images", 200, "--epochs", 1)
    assert told in capsys.readouterr().out
    assert not [path for path in tmp_path.iterdir() if path.name != "zsl-cache"]  # nothing is left behind


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)  # stored without outputs
    assert code[0].source == "IMAGES, EPOCHS = 4000, 5"
    code[0].source = "IMAGES, EPOCHS = 200, 1"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output.get("text", "") for cell in code for output in cell.outputs]
    assert any("zsl/map" in text for text in printed)
