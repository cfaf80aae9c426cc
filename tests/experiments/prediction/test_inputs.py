"""Which pictures a command is asked about."""

import pytest

from embeddings.io.errors import InputError
from experiments.prediction.inputs import picture_paths


@pytest.fixture
def album(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.jpg", "a.PNG", "notes.txt", "inner/c.webp", ".hidden/d.jpg", "e[1].jpg"):
        (tmp_path / name).touch()
    return tmp_path


def test_files_folders_patterns_and_stdin(album):
    def names(*given, stdin=()):
        found = picture_paths([str(one) for one in given], stdin)
        return [path.removeprefix(f"{album}/") for path in found]

    assert names(album) == ["a.PNG", "b.jpg", "e[1].jpg", "inner/c.webp"]
    assert names(album / "b.jpg", album / "inner") == ["b.jpg", "inner/c.webp"]
    assert names(album / "*.jpg") == ["b.jpg", "e[1].jpg"]
    assert names(album / "**/*.webp") == ["inner/c.webp"]
    assert names(album / "e[1].jpg") == ["e[1].jpg"]  # a file whose name looks like a pattern
    assert names("-", stdin=["one.jpg\n", "\n", "two.jpg"]) == ["one.jpg", "two.jpg"]


def test_what_is_no_picture_is_one_line(album):
    (album / "empty").mkdir()
    for given, told in (
        (album / "none.jpg", "there is no picture .*none.jpg"),
        (album / "*.gif", "no file matches"),
        (album / "empty", "empty holds no picture"),
    ):
        with pytest.raises(InputError, match=told):
            picture_paths([str(given)], ())
    with pytest.raises(InputError, match="there is no picture"):
        picture_paths(["-"], ["\n"])
