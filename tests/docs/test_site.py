"""The site is built without a warning and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks
from tests.experiments.report.test_browser import CHROMIUM, DRIVER, browser  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loads = re.compile(
        r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//|<link[^>]+href=["']?(?:https?:)?//"""
    )
    for page in pages:
        foreign = [found for found in loads.findall(page.read_text()) if "canonical" not in found]
        assert not foreign, page


def test_equations_are_found_from_the_first_page(site):
    assert 'href="reading/"' in (site / "index.html").read_text()
    reading = (site / "reading/index.html").read_text()
    assert reading.index("Eq. 5") < reading.index("From names to vectors")
    for number, file in ((5, "queries"), (6, "heads")):
        assert f'href="../source/zsl/readouts/{file}.py/"' in reading
        assert f"Eq. {number}" in (site / f"source/zsl/readouts/{file}.py/index.html").read_text()


def test_examples_of_docstrings_are_code(site):
    for page in ("api/zsl", "api/embeddings"):
        text = (site / page / "index.html").read_text()
        assert '<span class="gp">&gt;&gt;&gt; </span>' in text
        assert "<blockquote>" not in text  # what Markdown makes of >>>


def test_api_shows_the_interface(site):
    for page, names in {
        "embeddings": ("build_bank", "Bank"),
        "readouts": ("Readout", "bind", "GroupDecoder"),
        "metrics": ("mean_average_precision",),
    }.items():
        text = (site / f"api/{page}/index.html").read_text()
        for name in names:
            assert re.search(rf'id="[\w.]*\b{name}"', text), name


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver on the path")
def test_pages_fit_a_telephone(site, browser):  # noqa: F811
    """No page is wider than 390 px: long lines of code and tables scroll by themselves."""
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    for page in sorted(page for page in site.rglob("index.html") if "source" not in page.parts):  # those are code alone
        browser.get(page.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, page


def excerpts():
    return [block for block in blocks("python") if block.title.startswith("title=")]


@pytest.mark.parametrize("block", excerpts(), ids=lambda block: block.title)
def test_excerpts_are_the_code(block):
    """Lines that a page quotes from a file stand there one after another."""
    path = ROOT / block.title.removeprefix("title=").strip('"')
    code = [line.strip() for line in path.read_text().splitlines()]
    quoted = [line.strip() for line in block.text.splitlines()]
    assert any(code[start : start + len(quoted)] == quoted for start in range(len(code)))


def test_equations_are_quoted():
    assert len(excerpts()) >= 3
