"""The public names of `embeddings`, and the examples in its docstrings."""

import subprocess
import sys
from pathlib import Path

import pytest

import embeddings
from embeddings import build_bank

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = """
import doctest, importlib, pkgutil, embeddings
names = [m.name for m in pkgutil.walk_packages(embeddings.__path__, "embeddings.")]
results = [doctest.testmod(importlib.import_module(name)) for name in ["embeddings", *names]]
print(sum(r.failed for r in results), sum(r.attempted for r in results))
"""


@pytest.mark.parametrize("name", embeddings.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(embeddings, name)
    assert name in dir(embeddings)
    assert isinstance(value, dict) or value.__doc__


def test_a_name_is_imported_from_where_it_is_defined():
    assert set(embeddings._MODULE_OF) == set(embeddings.__all__)
    for name, module in embeddings._MODULE_OF.items():
        assert getattr(getattr(embeddings, name), "__module__", module) == module


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'embeddings' has no attribute 'build'"):
        _ = embeddings.build


def test_importing_the_package_imports_none_of_its_modules():
    code = "import sys, embeddings; assert not {'numpy', 'embeddings.banks'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_examples_in_docstrings_are_true():
    # a process of its own: there the functions are not wrapped by the checker of annotations, which hides them
    done = subprocess.run([sys.executable, "-c", EXAMPLES], capture_output=True, text=True, cwd=ROOT, check=True)
    failed, attempted = map(int, done.stdout.splitlines()[-1].split())
    assert failed == 0, done.stdout
    assert attempted >= 34


def test_a_bank_prints_as_one_line():
    bank = build_bank(["sky", "dog", "polar bear"], "lexical:16+random:7", num_seen=2, transforms=["center", "l2"])
    shown = "Bank(3 labels: 2 seen, 1 unseen; width 23; encoder lexical:16+random:7; center, l2)"
    assert repr(bank) == shown
