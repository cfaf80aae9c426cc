"""The page of the library: its code runs as it stands there, and it lists every public name."""

import re

import zsl
from tests.docs.pages import ROOT, blocks
from tests.zsl.photos import write_photos

# what a test has not the time for, or not the network
QUICK = {"sentence-transformers:all-MiniLM-L6-v2": "lexical", "resnet50": "resnet10t"}


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos")
    names = {"__name__": "page"}
    for block in blocks("python"):
        if block.page == "docs/library.md":
            text = block.text
            for whole, quick in QUICK.items():
                text = text.replace(whole, quick)
            exec(text, names)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 6
    assert printed[3].startswith("train: 1/2 epoch 1/2")
    assert printed[-1] == "(20, 3)"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["mine", "own"]


def test_the_page_lists_every_public_name():
    table = (ROOT / "docs/library.md").read_text().partition("## Public names")[2]
    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(zsl.__all__)
