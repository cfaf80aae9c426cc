"""Rows in blocks: in memory or in a temporary file, the numbers are the same."""

import numpy as np
import pytest

from embeddings.io import mapping
from embeddings.io.mapping import blocks, collected, release

ROWS = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_blocks_are_all_rows_in_order(monkeypatch, size):
    monkeypatch.setattr(mapping, "ROWS", size)
    parts = list(blocks(ROWS))
    assert max(map(len, parts)) == min(size, 11)
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)


@pytest.mark.parametrize("room", [0, 1 << 26])
def test_collected_blocks_are_one_array(monkeypatch, room):
    monkeypatch.setattr(mapping, "IN_MEMORY", room)
    array = collected(iter([ROWS[:4], ROWS[4:].astype(np.float64)]), 11)
    assert isinstance(array, np.memmap) == (room == 0)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, ROWS)


def test_changes_to_a_mapped_array_are_not_released(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    for mode in ("r", "c"):
        mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
        if mode == "c":
            mapped[0] = 7
        release(mapped)
        np.testing.assert_array_equal(mapped[0], [7, 7, 7] if mode == "c" else ROWS[0])
