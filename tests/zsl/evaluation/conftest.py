"""A made test set with seen, unseen and renamed labels, and scores of it."""

import numpy as np
import pytest

from zsl.data.targets import Targets
from zsl.evaluation.protocol import TestSet, protocols

SEEN, UNSEEN = tuple(f"seen {n}" for n in range(11)), tuple(f"unseen {n}" for n in range(5))


@pytest.fixture
def test():
    generator = np.random.default_rng(0)
    table = generator.random((67, 16)) < 0.2
    table[:, 3] = table[:, 13] = False
    renamed = {"synonyms": tuple(f"other {n}" for n in range(5))}
    return TestSet("made", SEEN, UNSEEN, Targets.of(table), "sha256 x", renamed)


@pytest.fixture
def scores(test):
    generator = np.random.default_rng(1)
    return {n: generator.normal(size=(67, len(p.labels))).astype(np.float32) for n, p in protocols(test).items()}
