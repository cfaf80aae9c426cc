"""One command at a time writes into a folder."""

import pytest

from embeddings.io.errors import InputError
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from tests.experiments.grid_files import write_grid, write_tokens
from zsl.runs.claims import claimed


def test_only_one_command_at_a_time_claims_a_folder(tmp_path):
    with claimed(tmp_path), pytest.raises(InputError, match=r"another command is using .*; wait until it has ended"):
        claimed(tmp_path).__enter__()
    with claimed(tmp_path):
        pass
    with pytest.raises(InputError, match="there is no folder .*nowhere"), claimed(tmp_path / "nowhere"):
        pass


def test_a_claimed_folder_is_new_and_is_removed_if_it_stays_empty(tmp_path):
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
