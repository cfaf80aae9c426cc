"""Tokens of a small dataset, for grids."""

import pytest

from tests.experiments.grid_files import write_tokens


@pytest.fixture
def tokens(tmp_path):
    write_tokens(tmp_path)
    return tmp_path
