"""The examples of the page on extending: each section's code runs, and does what the page says."""

import re

import pytest

from tests.docs.pages import ROOT, python_of

SECTIONS = re.split(r"^## ", (ROOT / "docs/extending.md").read_text(), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_a_sections_code_runs(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for code in python_of(section):
        exec(compile(code, "docs/extending.md", "exec", dont_inherit=True), names)
