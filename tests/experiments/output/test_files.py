"""Output folders are complete or not there."""

import errno

import pytest

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from experiments.bench import cost_tables
from experiments.bench.harness import Figures
from experiments.output.files import filling, new_folder
from experiments.tables import bank_tables
from experiments.tables import result_files as evaluate
from tests.experiments.command import refused, zsl


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_in_vain(path, error):
    path.write_text("after")
    raise error


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", None)


def test_a_new_folder_is_complete_or_not_there(tmp_path):
    out = tmp_path / "a" / "b"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), new_folder(out) as made:
            write_in_vain(made / "x", error)
        assert everything(tmp_path) == []
    with new_folder(out) as made:
        (made / "sub").mkdir()
        (made / "sub" / "x").write_text("1")
        assert made.name == "b"
        assert not out.exists()
    assert everything(tmp_path) == ["a", "a/b", "a/b/sub", "a/b/sub/x"]
    with pytest.raises(InputError, match="b cannot be made .*; choose another --out"), new_folder(out) as made:
        (made / "y").write_text("2")
    assert everything(out) == ["sub", "sub/x"]
    with pytest.raises(OSError, match="x") as raised, new_folder(tmp_path / "c") as made:
        (made / "no" / "x").write_text("1")
    assert raised.value.filename == str(tmp_path / "c" / "no" / "x")


def test_a_folder_is_filled_at_once(tmp_path):
    (tmp_path / "x").write_text("before")
    (tmp_path / "other").write_text("kept")
    with pytest.raises(ValueError), filling(tmp_path) as made:  # noqa: PT011 - our own
        write_in_vain(made / "x", ValueError)
    assert everything(tmp_path) == ["other", "x"]
    assert (tmp_path / "x").read_text() == "before"
    with filling(tmp_path) as made:
        (made / "x").write_text("after")
        (made / "sub").mkdir()
        (made / "sub" / "y").write_text("new")
        assert (tmp_path / "x").read_text() == "before"
    assert everything(tmp_path) == ["other", "sub", "sub/y", "x"]
    assert (tmp_path / "x").read_text() == "after"
    with filling(tmp_path / "new") as made:
        (made / "x").write_text("1")
    assert everything(tmp_path / "new") == ["x"]


def test_a_failed_evaluation_leaves_nothing_and_can_be_repeated(tmp_path, monkeypatch):
    (tmp_path / "s.csv").write_text("image,sky,sea\na,0.3,0.2\nb,0.1,0.4\n")
    (tmp_path / "t.csv").write_text("image,sky,sea\na,1,0\nb,0,1\n")
    out, k = tmp_path / "out", ("--set", "evaluate.k=[1]", "--set", "evaluate.bootstrap=0")
    scores = ("--from-scores", tmp_path / "s.csv", "--targets", tmp_path / "t.csv", "--out", out, *k)
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "save_plots", full_disk)
        failed = zsl("evaluate", *scores)
    assert failed.exit_code == 1
    assert failed.stderr == "error: No space left on device\n"
    assert everything(tmp_path) == before
    assert zsl("evaluate", *scores).exit_code == 0
    refused(zsl("evaluate", *scores), "out exists")
    with monkeypatch.context() as patch:
        patch.setattr(evaluate.atomic, "write_text", full_disk)
        pair = ("--from-scores", tmp_path / "s.csv", *scores[:-6], "--out", tmp_path / "two", *k)
        assert zsl("evaluate", *pair).exit_code == 1
    assert everything(tmp_path) == sorted([*before, "out", *(f"out/{name}" for name in everything(out))])


def test_both_plots_of_a_bank_are_written_or_none(tmp_path, monkeypatch):
    bank = tmp_path / "x.bank"
    (tmp_path / "names.txt").write_text("Ba$$in\n$_$\n")
    (tmp_path / "unseen.txt").write_text("a [bold]\n")
    built = zsl("bank", "build", tmp_path / "names.txt", "--unseen", tmp_path / "unseen.txt", "--encoder", "lexical",
                "--out", bank)  # fmt: skip
    assert built.exit_code == 0
    assert Bank.load(bank).unseen == ("a [bold]",)
    with monkeypatch.context() as patch:
        patch.setattr(bank_tables, "save_nearest_seen", full_disk)
        assert zsl("bank", "plot", bank, "--out", tmp_path / "plots").exit_code == 1
    assert not (tmp_path / "plots").exists()
    assert zsl("bank", "plot", bank, "--out", tmp_path / "plots").exit_code == 0
    assert everything(tmp_path / "plots") == ["map.png", "nearest_seen.png"]


def test_a_table_of_costs_is_complete_or_not_there(tmp_path, monkeypatch):
    class Row:
        variant, metrics, paper = {"head": "$_$"}, {"images/s": 3.0}, {}

    figures = Figures("$_$", ["head", "images/s"], [["$_$", "3"]], {"machine": {"cpu": "[x]"}}, [Row()])
    with monkeypatch.context() as patch:
        patch.setattr("experiments.report.page.render", full_disk)
        with pytest.raises(OSError, match="No space"):
            cost_tables.save_costs("Costs", figures, "zsl", tmp_path / "costs")
    assert everything(tmp_path) == []
    cost_tables.save_costs("Costs", figures, "zsl", tmp_path / "costs")
    assert "Folder <code>costs</code>" in (tmp_path / "costs" / "report.html").read_text()
