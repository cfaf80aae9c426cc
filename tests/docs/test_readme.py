"""The README is short enough to be read, and what it shows is there."""

import re

from PIL import Image

from tests.docs.pages import ROOT, python_of
from tests.photos import photos  # noqa: F401 - a fixture

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


def test_ten_lines_run(photos, tmp_path, monkeypatch, capsys):  # noqa: F811
    """As they stand, but for what is downloaded and takes long."""
    code = next(text for text in python_of(README) if "zsl.fit" in text)
    for long, short in (
        ("sentence-transformers:all-MiniLM-L6-v2", "lexical"),
        ('name="resnet50", pretrained=True', 'name="resnet10t"'),
        ("epochs=10", "epochs=1"),
    ):
        assert long in code
        code = code.replace(long, short)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec", dont_inherit=True), {})
    assert 0 <= float(capsys.readouterr().out) <= 1
    assert (tmp_path / "runs/mine/run.json").is_file()
