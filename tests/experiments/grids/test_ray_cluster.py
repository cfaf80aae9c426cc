"""Grids on a real Ray cluster of two nodes on this machine."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import done, finished, own_experiments, same_part, until
from tests.started import Started

ray = pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def test_a_grid_survives_the_loss_of_a_node(cluster, undisturbed, tmp_path):
    grid, whole = undisturbed
    out = tmp_path / "out"
    node = cluster.add_node(num_cpus=1)
    driver = Started(
        "ablate", grid, "--out", out, "--seeds", 3, "--on", f"ray:{cluster.address}", cwd=own_experiments(tmp_path)
    )
    until(lambda: done(out) >= 3, driver)
    cluster.remove_node(node, allow_graceful=False)
    assert done(out) < 12
    finished(driver)
    assert done(out) == 12
    same_part(out, whole, 12)
    assert len(json.loads((out / "results.json").read_text())) == 12
    grid_id = json.loads((out / "grid.json").read_text())["id"]
    # the machines that are left have removed what they were sent; the lost one had copies of its own
    (left,) = Path(tempfile.gettempdir()).glob(f"zsl-grid-{grid_id}-*")
    (shared,) = (left / "shared").iterdir()
    assert shared.is_dir()
    assert not shared.is_symlink()
    shutil.rmtree(left)


def test_no_cluster_is_one_line(undisturbed, tmp_path):
    grid, _ = undisturbed
    refused(
        zsl("ablate", grid, "--out", tmp_path / "out", "--on", "ray:ray://127.0.0.1:1"),
        "run zsl on a machine of the cluster",
    )
    refused(zsl("ablate", grid, "--out", tmp_path / "out", "--on", "slurm"), "--on 'slurm'", "ray:ADDRESS")
    refused(
        zsl("ablate", grid, "--out", tmp_path / "out", "--on", "ray", "--workers", 2), "--workers is for this machine"
    )
    assert not (tmp_path / "out").exists()
