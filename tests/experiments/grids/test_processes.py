"""Grids in several processes, of which some are killed, and on disks that cannot be written for a while."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.grid_files import (
    RUNS,
    done,
    finished,
    kill,
    left,
    own_experiments,
    same_part,
    same_runs,
    until,
    workers,
    write_grid,
    write_tokens,
)
from tests.started import Started


def test_nothing_is_lost_when_a_worker_and_then_the_driver_are_killed(undisturbed, tmp_path):
    grid, whole = undisturbed
    out = tmp_path / "out"
    driver = Started("ablate", grid, "--out", out, "--workers", 2)
    until(lambda: done(out) >= 2 and len(workers(driver)) == 2, driver)
    kill(workers(driver)[0])
    before = done(out)
    until(lambda: done(out) >= before + 4 and len(workers(driver)) == 2, driver)
    kill(driver.pid)
    output, _ = driver.communicate()
    assert "its process died" in output
    assert not left(lambda: workers(driver))  # they have ended by themselves
    assert done(out) < RUNS
    finished(Started("ablate", grid, "--out", out, "--workers", 2))
    same_runs(whole, out, RUNS)


def _read_only_while(disk, shell):
    """Mounts a folder read-only over itself, so that what opens a file there from now on meets EROFS.

    It is made read-only elsewhere, where nobody has a file open for writing, which would make the mount busy.
    """
    closed = disk.with_name("closed")
    closed.mkdir()
    shell.stdin.write(f"mount --bind {disk} {closed} && mount -o remount,ro,bind {closed}\n")
    shell.stdin.write(f"mount --move {closed} {disk}\n")
    shell.stdin.write(f"touch {disk}/probe 2>/dev/null && echo writable || echo closed\n")
    shell.stdin.flush()
    return shell.stdout.readline() == "closed\n"


def _namespace():
    """How a private mount namespace can be had here; None if it cannot."""
    for way in (["unshare", "-m"], ["unshare", "-rm"]):
        try:
            if subprocess.run([*way, "mount", "--bind", "/tmp", "/tmp"], capture_output=True).returncode == 0:
                return way
        except OSError:
            return None
    return None


def test_nothing_is_lost_when_the_disk_is_read_only_for_a_while(undisturbed, tmp_path):
    grid, whole = undisturbed
    disk, told = tmp_path / "disk", tmp_path / "told"
    disk.mkdir()
    out, zsl = disk / "out", Path(sys.executable).parent / "zsl"
    way = _namespace()
    if way is None and os.geteuid() == 0:
        pytest.skip("no mount namespace here, and root may write to any folder")
    pipe = subprocess.PIPE
    with subprocess.Popen([*(way or []), "sh"], stdin=pipe, stdout=pipe, text=True) as shell:
        shell.stdin.write(f"{zsl} ablate {grid} --out {out} --workers 2 > {told} 2>&1 &\n")
        shell.stdin.flush()
        until(lambda: done(out) >= 2, shell)
        if way is not None:
            assert _read_only_while(disk, shell)
        else:
            folders = [path for path in (out, *out.rglob("*")) if path.is_dir()]
            for path in folders:
                path.chmod(0o555)
        until(lambda: "waits for the disk" in told.read_text(), shell)
        closed = done(out)
        time.sleep(3)
        assert done(out) <= closed + 2  # those that had but one file to write
        if way is not None:
            shell.stdin.write(f"umount -l {disk}\n")
        else:
            for path in folders:
                path.chmod(0o755)
        shell.stdin.write("wait $!; echo status $?\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "status 0\n", told.read_text()
        shell.stdin.close()
    assert re.search(r"waits for the disk \((Read-only file system|Permission denied): .*next try in", told.read_text())
    assert not list((out / "failed").iterdir())
    same_runs(whole, out, RUNS)


def test_two_commands_on_one_folder_share_its_runs(undisturbed, tmp_path):
    grid, whole = undisturbed
    out = tmp_path / "out"
    both = [Started("ablate", grid, "--out", out, "--seeds", 2) for _ in range(2)]
    told = [finished(process) for process in both]
    trained = [line.partition(":")[0] for text in told for line in text.splitlines() if "epoch 1/1" in line]
    assert len(trained) == len(set(trained)) == 8  # each run once, by one of them
    same_part(out, whole, 8)


def test_ctrl_c_stops_at_once_and_the_command_continues(undisturbed, tmp_path):
    grid, whole = undisturbed
    out = tmp_path / "out"
    driver = Started("ablate", grid, "--out", out, "--workers", 2, "--seeds", 2)
    until(lambda: done(out) >= 1, driver)
    os.killpg(driver.pid, signal.SIGINT)
    output = finished(driver, status=130)
    assert "the same command continues" in output
    assert "Traceback" not in output
    assert not left(lambda: workers(driver))
    assert done(out) < 8
    # whose workers are of this toolkit wherever it is called
    finished(Started("ablate", grid, "--out", out, "--workers", 2, "--seeds", 2, cwd=own_experiments(tmp_path)))
    same_part(out, whole, 8)


def test_a_run_is_trained_by_two_processes_that_end_with_their_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")  # a machine with one GPU has none for the second
    write_tokens(tmp_path)
    grid, out = write_grid(tmp_path, 'decoder.head = ["text"]', train="checkpoint_steps = 1"), tmp_path / "out"
    command = ("ablate", grid, "--out", out, "--processes", 2, "--set", "train.epochs=12")
    driver = Started(*command, cwd=own_experiments(tmp_path))
    until(lambda: (out / "runs/text-seed0/history.json").is_file(), driver)
    assert len(_ranks(out)) == 2
    kill(driver.pid)
    driver.communicate()
    assert not left(lambda: _ranks(out))
    assert done(out) == 0
    finished(Started(*command, cwd=tmp_path))
    assert done(out) == 1


def _ranks(out):
    """The ids of the processes that train a run of a grid."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = path.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        worker = b"experiments.grids.torchrun_worker" in told
        launcher = b"experiments.grids.torchrun\0" in told
        if worker and not launcher and str(out).encode() in told:
            found.append(int(path.parent.name))
    return found
