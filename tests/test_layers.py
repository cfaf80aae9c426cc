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
                barred = ALLOWED.keys() - ALLOWED[package] - {package} | {"benchmarks", "tests"}
                assert top not in barred, f"{path} imports {name}"


# what takes a command more than a second to import
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "gensim",
    "sentence_transformers",
    "sklearn",
    "scipy",
    "matplotlib",
)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("embeddings", ("torch", "gensim", "sentence_transformers")),
        ("zsl.data.table", ("torch", "torchvision", "scipy", "h5py", "PIL", "safetensors.torch")),
        ("zsl.evaluation.stamp", ("torch",)),
        ("zsl.evaluation.per_label", ("torch", "scipy.stats")),
        ("zsl.evaluation.uncertainty", ("torch", "scipy.stats")),
        ("experiments.commands.main", ("torch", "timm")),
    ],
)
def test_importing_is_light(module, heavy):
    code = f"import sys, {module}; assert not {{*{heavy!r}}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_counting_parameters_does_not_import_the_compiler():
    code = """
import sys
from zsl.readouts.table import READOUTS
counted = [config().count_parameters(13, 7, 5) for config in READOUTS.values()]
assert all(counted) and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--help",), 0),
        (("recipe",), 0),
        (("ablate", "--list"), 0),
        (("ablate", "--help"), 0),
        (("bank", "encoders"), 0),
        (("trian",), 2),
        (("train", "demo", "--ouch"), 2),
        (("ablate", "tabel8"), 2),
    ],
)
def test_a_command_that_should_answer_at_once_imports_nothing_heavy(arguments, status):
    code = f"""
import sys
from experiments.commands.main import app
try:
    app({list(arguments)!r})
except SystemExit as ended:
    assert ended.code == {status}, ended.code
print("heavy:", *({{*{HEAVY!r}}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy:", done.stdout
