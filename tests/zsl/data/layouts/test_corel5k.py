"""Corel5k's region tokens."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from zsl.data.layouts.corel5k import Corel5kConfig
from zsl.data.table import load_data


def _corel5k(folder, **options):
    return Corel5kConfig(file=folder / "regions.npz", split=folder / "split.json", **options)


def test_region_tokens_are_one_hot_and_lose_nothing(regions):
    folder, present, targets = regions
    data = load_data(_corel5k(folder))
    assert data.seen == ("sky", "sea", "cat", "rare")
    assert data.unseen == ("dog", "sun")
    assert load_data(_corel5k(folder, seen=folder / "seen.txt")).seen == ("sky", "sea", "cat")
    tokens = data.test.inputs.read(range(10)).float()
    np.testing.assert_array_equal(tokens.sum(1)[:, :11] > 0, present[20:])
    assert set(tokens.count_nonzero(-1).unique().tolist()) <= {0, 1}
    np.testing.assert_array_equal(data.test.targets, targets[20:][:, [0, 1, 2, 4, 3, 5]])
    path = folder / "regions.npz"
    whole = path.read_bytes()
    for broken in (b"PK", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="regions.npz cannot be read as Corel5k"):
            load_data(_corel5k(folder))
