"""Damaged files of the toolkit: the command that reads one ends with one line that names it, and changes nothing."""

import shutil

import pytest

from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_grid, write_tokens

DEEP = b"[" * 10_000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A grid of one run, finished."""
    folder = tmp_path_factory.mktemp("state")
    write_tokens(folder)
    done = zsl("ablate", write_grid(folder, "decoder.width = [16]"), "--out", folder / "out")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def grid(made, tmp_path):
    """A copy of the grid; its data stay where they are."""
    shutil.copytree(made / "out", tmp_path / "out")
    return made / "grid.toml", tmp_path / "out"


ABLATE, REPORT, EVALUATE = "ablate", "report", "evaluate"
RUN = "runs/16-seed0"


@pytest.mark.parametrize(
    ("name", "content", "command", "removed"),
    [
        ("grid.json", DEEP, ABLATE, ()),
        (f"{RUN}/metrics.json", DEEP, ABLATE, ()),
        (f"{RUN}/run.json", DEEP, ABLATE, ()),
        ("shared/KEY/made_of.json", DEEP, ABLATE, ("metrics.json",)),
        ("shared/KEY/baseline.json", b'{"zsl/map": NaN}', ABLATE, ()),
        ("failed/16-seed0.log", b"\xff", ABLATE, ("metrics.json",)),
        (f"{RUN}/run.json", DEEP, EVALUATE, ()),
        (f"{RUN}/config.json", DEEP, EVALUATE, ()),
        (f"{RUN}/calibration.json", DEEP, EVALUATE, ()),
        (f"{RUN}/calibration.json", b'{"shift": NaN}', EVALUATE, ()),
        ("results.json", DEEP, REPORT, ()),
        ("grid.json", DEEP, REPORT, ()),
        ("table.json", DEEP, REPORT, ()),
        ("baseline.json", DEEP, REPORT, ()),
        *((f"{RUN}/{name}", DEEP, REPORT, ()) for name in ("metrics.json", "run.json", "history.json", "samples.json")),
        (f"{RUN}/config.json", DEEP, REPORT, ()),
        (f"{RUN}/labels.csv", b"label,part\n" + b"a" * 200_000, REPORT, ()),
    ],
)
def test_damage_is_one_line(grid, name, content, command, removed):
    spec, out = grid
    for other in removed:
        (out / RUN / other).unlink()
    (path,) = [out / name] if "KEY" not in name else [p / name.rpartition("/")[2] for p in out.glob("shared/*")]
    path.write_bytes(content)
    arguments = {ABLATE: [spec, "--out", out], REPORT: [out, "--out", out / "r.html"], EVALUATE: [out / RUN]}
    before = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*.*")}
    refused(zsl(command, *arguments[command]), str(path))
    assert {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*.*")} == before
    assert not (out / "r.html").exists()


def test_a_run_with_a_damaged_begun_json_fails(grid):
    spec, out = grid
    for name in ("metrics.json", "run.json"):
        (out / RUN / name).unlink()
    (out / RUN / "begun.json").write_bytes(DEEP)
    done = zsl("ablate", spec, "--out", out)
    assert done.exit_code == 1
    assert "begun.json is damaged (nested too deeply); remove this folder, or choose another" in done.output
    assert (out / "failed/16-seed0.log").is_file()
