"""The public names of `zsl`, what importing it costs, and the examples in its docstrings."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import zsl

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", zsl.__all__)
def test_every_public_name_is_there(name):
    assert getattr(zsl, name) is not None
    assert name in dir(zsl)


def test_the_version_is_that_of_the_distribution():
    assert zsl.__version__ == version("zero-shot-toolkit")


def test_an_unknown_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'zsl' has no attribute 'fitt'"):
        _ = zsl.fitt


def test_every_config_of_a_table_is_public():
    for config in (*zsl.DATASETS.values(), *zsl.READOUTS.values()):
        assert getattr(zsl, config.__name__) is config


def test_importing_the_package_imports_no_library():
    code = "import sys, zsl; assert not {'torch', 'numpy', 'pydantic'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_examples_of_docstrings_give_what_they_show():
    code = """
import doctest, importlib, pkgutil, zsl
names = [module.name for module in pkgutil.walk_packages(zsl.__path__, "zsl.")]
results = [doctest.testmod(importlib.import_module(name)) for name in ["zsl", *names]]
assert sum(result.attempted for result in results) > 15
assert not sum(result.failed for result in results)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
