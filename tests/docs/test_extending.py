"""The examples of the page on extending: each section's code runs, and does what the page says."""

import re
import sys
from types import ModuleType

import pytest

from tests.docs.pages import ROOT, python_of

SECTIONS = re.split(r"^## ", (ROOT / "docs/extending.md").read_text(), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_a_sections_code_runs(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("example")
    if file := re.search(r"Its file.*?, for example `(\S+)\.py`", section):  # which later blocks import
        monkeypatch.setitem(sys.modules, file.group(1).replace("/", "."), module)
    for code in python_of(section):
        exec(compile(code, "docs/extending.md", "exec", dont_inherit=True), module.__dict__)
    for name, value in list(vars(module).items()):
        if name.startswith("test_"):
            value()
