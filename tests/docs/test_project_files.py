"""Files that tools of others read: the citation, public CI, the changelog."""

import re
import tomllib

import yaml

from tests.docs.pages import ROOT


def test_citation():
    """What version 1.2.0 of the Citation File Format demands, and the version of the package."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert all(isinstance(citation[key], str) for key in ("message", "title"))
    assert all(author.keys() & {"name", "family-names"} for author in citation["authors"])
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    (paper,) = citation["references"]
    assert {"authors", "title", "type"} <= paper.keys()
    assert paper["url"] in (ROOT / "README.md").read_text()


def test_public_ci_runs_the_check_of_the_project():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)
    assert set(sections) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
