"""The datasets in their layouts, for the commands; a grid that nothing happened to."""

import pytest

from experiments.executors import Inline
from experiments.grid_engine import Engine
from experiments.grid_folder import GridFolder
from experiments.grid_spec import spec_grid
from experiments.job import perform_shared
from tests.experiments.grids import FOUR, write_grid, write_tokens
from tests.zsl.layouts import album, classes, coco, open_images, voc  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A grid's file, and its folder as one process makes it from beginning to end."""
    root = tmp_path_factory.mktemp("undisturbed")
    write_tokens(root)
    path = write_grid(root, FOUR, head="seeds = 6")
    folder = GridFolder(root / "out", spec_grid(path, None, [], None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSL_CACHE", str(root / "cache"))
        assert Engine(folder, lambda *_: None, lambda _: None, Inline(perform_shared)).run().failed == {}
    return path, folder.path
