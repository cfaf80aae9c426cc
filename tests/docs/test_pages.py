"""What pages hold: links lead to files, Python runs, every kind of a table is named."""

import re

import pytest

from embeddings.encoders.table import ENCODERS
from tests.docs.pages import PAGES, ROOT, blocks
from zsl.data.table import DATASETS
from zsl.losses.table import LOSSES
from zsl.readouts.table import READOUTS

TABLES = {"heads.md": READOUTS, "training.md": LOSSES, "data.md": DATASETS, "banks.md": ENCODERS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
        target = page.parent / link
        outside = {"changelog.md", "contributing.md"}
        assert target.exists() or (page.parent.name == "docs" and link in outside), link


@pytest.mark.parametrize(("page", "kind"), [(page, kind) for page, table in TABLES.items() for kind in table])
def test_every_kind_is_named_on_its_page(page, kind):
    text = (ROOT / "docs" / page).read_text()
    assert re.search(rf'(`|name=|name = "){kind}[`":, ]', text), f"docs/{page} needs a row for {kind}"


@pytest.mark.parametrize("block", [b for b in blocks("python") if not b.title], ids=lambda block: block.page)
def test_python_is_python(block):
    compile(block.text, block.page, "exec", dont_inherit=True)


RUN = ("docs/api/", "docs/banks.md", "docs/evaluation.md")


@pytest.mark.parametrize("block", [b for b in blocks("python") if b.page.startswith(RUN)], ids=lambda block: block.page)
def test_python_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.page, "exec", dont_inherit=True), {})
