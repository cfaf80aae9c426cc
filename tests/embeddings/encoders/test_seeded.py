"""Random vectors depend on name and seed alone."""

import numpy as np

from embeddings.banks.build import build_bank

NAMES = ["dog", "polar bear", "Sky", "red striped circle"]


def test_random_vectors_depend_on_name_and_seed_alone():
    bank = build_bank(NAMES, "random:16")
    np.testing.assert_array_equal(build_bank(["Sky"], "random:16").vectors[0], bank.vectors[2])
    assert not np.allclose(build_bank(NAMES, "random:16", seed=1).vectors, bank.vectors)
