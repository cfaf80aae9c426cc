"""`zsl train` and the other commands that write into a run's folder wait for each other."""

import pytest

import experiments.runs.train
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_tokens
from zsl.runs.claims import claimed


@pytest.fixture
def config(tmp_path):
    """A config of a run that takes a moment."""
    write_tokens(tmp_path)
    path = tmp_path / "small.toml"
    path.write_text(
        f'[data]\nname = "corel5k"\nfile = "{tmp_path}/regions.npz"\nsplit = "{tmp_path}/split.json"\n'
        '[bank]\nencoder = "lexical:16"\n[decoder]\nwidth = 16\nffn = 16\n[train]\nepochs = 1\n'
        "[evaluate]\nk = 1\nbootstrap = 0\n"
    )
    return path


def test_of_two_that_train_in_one_folder_the_second_to_begin_is_refused(config, tmp_path, monkeypatch):
    run, prepared = tmp_path / "run", experiments.runs.train._prepared

    def overtaken(*arguments):
        """Another command trains in the folder while this one prepares."""
        monkeypatch.undo()
        assert zsl("train", config, "--out", run).exit_code == 0
        return prepared(*arguments)

    monkeypatch.setattr(experiments.runs.train, "_prepared", overtaken)
    refused(zsl("train", config, "--out", run, "--set", "train.lr=1"), "was made by another command meanwhile")
    assert "lr" not in (run / "begun.json").read_text()
    assert zsl("train", config, "--out", run, "--resume").exit_code == 0  # of the first one, which is finished


def test_commands_that_write_into_a_folder_wait_for_each_other(config, tmp_path):
    run, begun = tmp_path / "run", tmp_path / "begun"
    assert zsl("train", config, "--out", run).exit_code == 0
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    begun.mkdir()
    (begun / "begun.json").write_text("{}")
    with claimed(run), claimed(begun):
        refused(zsl("evaluate", run), "another command is at", "run")
        refused(zsl("calibrate", run), "another command is at", "run")
        refused(zsl("evaluate", begun), "another command is at", "begun")
        refused(zsl("train", config, "--out", begun), "another command is at", "begun")
        refused(zsl("train", config, "--out", begun, "--resume"), "another command is at", "begun")
    refused(zsl("evaluate", begun), "is not a finished run")
    refused(zsl("evaluate", tmp_path), "is not a finished run")
    assert not (tmp_path / ".lock").exists()
    refused(zsl("train", config, "--out", begun), "holds a run that was begun; continue it by --resume")
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    assert zsl("evaluate", run).exit_code == 0
