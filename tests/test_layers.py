"""Imports go one way: experiments -> zsl -> embeddings; importing is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {"embeddings": set(), "zsl": {"embeddings"}, "experiments": {"embeddings", "zsl"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.partition(".")[0]
                assert top not in ALLOWED.keys() - ALLOWED[package] - {package}, f"{path} imports {name}"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("embeddings", ("torch", "gensim", "sentence_transformers")), ("experiments.commands.main", ("torch", "timm"))],
)
def test_importing_is_light(module, heavy):
    code = f"import sys, {module}; assert not {{*{heavy!r}}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
