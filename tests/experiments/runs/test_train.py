"""`zsl train` and the other commands refuse a run's folder that another command is using."""

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


def test_the_second_of_two_trainings_in_one_folder_is_refused(config, tmp_path, monkeypatch):
    run, prepared = tmp_path / "run", experiments.runs.train._prepared

    def overtaken(*arguments):
        """Another command trains in the folder while this one prepares."""
        monkeypatch.undo()
        assert zsl("train", config, "--out", run).exit_code == 0
        return prepared(*arguments)

    monkeypatch.setattr(experiments.runs.train, "_prepared", overtaken)
    refused(zsl("train", config, "--out", run, "--set", "train.lr=1"), "was made by another command meanwhile")
    assert "lr" not in (run / "begun.json").read_text()
    assert (
        zsl("train", config, "--out", run, "--resume").exit_code == 0
    )  # with the config of the first one, which is finished


def test_a_command_refuses_a_folder_that_another_is_using(config, tmp_path):
    run, begun = tmp_path / "run", tmp_path / "begun"
    assert zsl("train", config, "--out", run).exit_code == 0
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    begun.mkdir()
    (begun / "begun.json").write_text("{}")
    with claimed(run), claimed(begun):
        refused(zsl("evaluate", run), "another command is using", "run")
        refused(zsl("calibrate-gzsl", run), "another command is using", "run")
        refused(zsl("evaluate", begun), "another command is using", "begun")
        refused(zsl("train", config, "--out", begun), "another command is using", "begun")
        refused(zsl("train", config, "--out", begun, "--resume"), "another command is using", "begun")
    refused(zsl("evaluate", begun), "is not a finished run")
    refused(zsl("evaluate", tmp_path), "is not a finished run")
    assert not (tmp_path / ".lock").exists()
    refused(zsl("train", config, "--out", begun), "holds an unfinished run; continue it with --resume")
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    assert zsl("evaluate", run).exit_code == 0
