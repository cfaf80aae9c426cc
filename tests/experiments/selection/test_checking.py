"""Who chooses on test images has less on others."""

import numpy as np

from experiments.selection.candidates import Candidate
from experiments.selection.cells import Cell
from experiments.selection.checking import best_of_halves
from tests.experiments.selection.made import make_cell


def test_the_best_on_a_half_is_flattered():
    """All candidates are noise: on the other half, the best of many is no better than chance."""
    cell = make_cell(0, (1, 3, 4), variants=40, images=120)
    noise = [
        {name: np.random.default_rng(n).random(one[name].shape) for name in one} for n, one in enumerate(cell.scores)
    ]
    candidates = [Candidate((n,), (1,), "none") for n in range(40)]
    found = best_of_halves([Cell(cell.test, noise)], candidates, lambda *_: None)
    chance = cell.truth["zsl"].shown.mean()
    assert abs(found.other - chance) < 0.05
    assert found.chosen > found.other + 0.04
    same = best_of_halves([Cell(cell.test, noise)], candidates[:1], lambda *_: None)
    assert same.chosen == same.other  # each half is the other one once


def test_images_are_chosen_with_their_annotations():
    cell, rows = make_cell(0, (1, 3)), np.array([2, 5, 11])
    part, one = cell.only(rows), Candidate((2,), (1,), "image")
    np.testing.assert_array_equal(part.truth["zsl"].shown, cell.truth["zsl"].shown[rows])
    np.testing.assert_array_equal(part.member(2, "seen", "image"), cell.member(2, "seen", "image")[rows])
    assert part.precision(one, "zsl").shape == (2,)
