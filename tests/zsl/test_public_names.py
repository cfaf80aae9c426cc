"""Every public name is there, and importing the package alone imports none of them."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import zsl


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
    subprocess.run([sys.executable, "-c", code], check=True)
