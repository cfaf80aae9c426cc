"""One command at a time writes into a folder."""

import pytest

import experiments.runs.train
from embeddings.io.errors import InputError
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.runs.claims import claimed
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_grid, write_tokens


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


def test_a_folder_is_one_commands_at_a_time(tmp_path):
    with claimed(tmp_path), pytest.raises(InputError, match=r"another command is at .*; wait until it has ended"):
        claimed(tmp_path).__enter__()
    with claimed(tmp_path):
        pass
    with pytest.raises(InputError, match="there is no folder .*nowhere"), claimed(tmp_path / "nowhere"):
        pass


def test_a_folder_that_is_made_is_new_and_goes_if_it_stays_empty(tmp_path):
    with claimed(tmp_path / "a/new", make=True):
        (tmp_path / "a/new/file").touch()
    with pytest.raises(InputError, match="new was made by another command meanwhile"):
        claimed(tmp_path / "a/new", make=True).__enter__()
    assert (tmp_path / "a/new/file").is_file()
    with claimed(tmp_path / "empty", make=True):
        pass
    assert not (tmp_path / "empty").exists()


def test_a_run_of_a_grid_has_the_lock_of_the_grid(tmp_path):
    write_tokens(tmp_path)
    folder = GridFolder(tmp_path / "out", spec_grid(write_grid(tmp_path, "train.lr = [1e-3]"), None, [], None))
    folder.begin()
    run = folder.path / folder.grid.runs[0].folder
    run.mkdir()
    with claimed(run):
        assert folder.lock(folder.grid.runs[0]).is_file()
    assert not list(run.iterdir())


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


def test_tokens_are_written_by_one_command(photographs, tmp_path):
    settings = (f"data.root={photographs}", "data.image_size=32", "backbone.pretrained=false")
    options = [argument for setting in settings for argument in ("--set", setting)]
    command = ("data", "extract", "photographs", "--out", tmp_path / "tokens", *options)
    (tmp_path / "tokens").mkdir()
    with claimed(tmp_path / "tokens"):
        refused(zsl(*command), "another command is at", "tokens")
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == [".lock"]
