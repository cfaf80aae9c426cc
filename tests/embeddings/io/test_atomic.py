"""Files are replaced whole, and stay what they were to others: permissions, links, nothing left behind."""

import os

import pytest

from embeddings.io import atomic


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def _mode(path):
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o444])
def test_a_file_that_is_rewritten_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "a.json"
    path.write_text("before")
    path.chmod(mode)
    atomic.write_text(path, "after")
    assert (path.read_text(), _mode(path)) == ("after", mode)


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    atomic.write_text(tmp_path / "a.json", "new")
    assert _mode(tmp_path / "a.json") == 0o640


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk/a.json", tmp_path / "a.json"
    link.symlink_to("disk/a.json")
    for content in ("made", "rewritten"):  # a link to nothing yet, then to a file
        atomic.write_text(link, content)
        assert link.is_symlink()
        assert target.read_text() == content
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["a.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / ("ü" * 120)  # 240 bytes
    atomic.write_text(path, "before")
    with pytest.raises(TypeError), atomic.replacing(path) as file:
        file.writelines([b"half", None])
    assert path.read_text() == "before"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=f"'{tmp_path}/folder'$"):
        atomic.write_text(tmp_path / "folder", "x")
    with pytest.raises(OSError, match=f"'{tmp_path}/none/a'$"):
        atomic.write_text(tmp_path / "none/a", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, "folder"])
