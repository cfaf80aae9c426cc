"""Datasets in their layouts, for the commands, and a grid that ran undisturbed."""

import json

import numpy as np
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine

from experiments.grids.driver import Driver
from experiments.grids.executors import Inline
from experiments.grids.folder import GridFolder
from experiments.grids.grid_file import spec_grid
from experiments.grids.job import perform_shared
from tests.experiments.grid_files import FOUR, write_grid, write_tokens
from tests.names import SEEN, UNSEEN
from tests.zsl.layouts import album, cars, cifar, classes, coco, open_images, voc  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def _plots_without_layout(request, monkeypatch):
    """Half the time of a plot is its layout: tests of commands and runs leave it to the tests of plots and reports."""
    if request.path.parent.name in ("commands", "grids", "runs"):
        monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A grid's file, and the folder that one process makes of it without an interruption."""
    root = tmp_path_factory.mktemp("undisturbed")
    write_tokens(root)
    path = write_grid(root, FOUR, head="seeds = 4")
    folder = GridFolder(root / "out", spec_grid(path, None, [], None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSL_CACHE", str(root / "cache"))
        assert Driver(folder, lambda *_: None, lambda _: None, Inline(perform_shared)).run().failed == {}
    return path, folder.path


@pytest.fixture
def regions(tmp_path):
    """Options of runs over region tokens in which every label has a region of its own, as its name's words have."""
    generator = np.random.default_rng(0)
    names = (*SEEN, *UNSEEN)
    targets = generator.random((300, len(names))) < 0.3
    targets[:, 0] |= ~targets.any(1)
    targets[:200, len(SEEN) :] = False
    targets[:200, 0] |= ~targets[:200].any(1)
    words = sorted({word for name in names for word in name.split()})
    has = np.array([[word in name.split() for word in words] for name in names])
    present = np.pad(targets @ has, ((0, 0), (0, -len(words) % 8)))
    np.savez(
        tmp_path / "r.npz", X=np.packbits(present, axis=1), Y=np.packbits(targets, axis=1), labels=names, n_train=200
    )
    (tmp_path / "split.json").write_text(json.dumps({"train class": SEEN, "test class": UNSEEN}))
    settings = [f"data.file={tmp_path}/r.npz", f"data.split={tmp_path}/split.json", "bank.encoder=lexical:32"]
    settings += ["train.epochs=2", "evaluate.k=[1]", "train.precision=fp32"]
    return [argument for setting in settings for argument in ("--set", setting)]
