"""The README is short enough to be read, and what it shows is there."""

import re

from PIL import Image

from tests.docs.pages import ROOT

README = (ROOT / "README.md").read_text()


def test_readme_is_short():
    lines = README.splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 120


def test_readme_begins_with_a_picture_of_a_result():
    first = re.search(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert first is not None
    assert README[: first.start()].count("\n") < 12
    path = ROOT / first.group(1)
    assert path.stat().st_size < 200_000
    with Image.open(path) as picture:
        assert min(picture.size) > 300
