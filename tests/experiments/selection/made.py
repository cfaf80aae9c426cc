"""Cells of made-up scores."""

import numpy as np

from experiments.selection.cells import Cell
from zsl.data.targets import Targets
from zsl.evaluation.protocol import TestSet

LABELS = tuple("abcdefghijk")


def make_cell(seed, held, variants=3, images=23):
    """Scores of variants on one fold: variant 0 knows nothing, the last knows most; each image has a level of its own.

    Args:
        held: columns of the held-out labels.
    """
    generator = np.random.default_rng(seed)
    kept = [column for column in range(len(LABELS)) if column not in held]
    truth = generator.random((images, len(LABELS))) < 0.3
    truth[0] = True
    targets = truth[:, [*kept, *held]]
    test = TestSet("made", tuple(LABELS[c] for c in kept), tuple(LABELS[c] for c in held), Targets.of(targets), "made")
    scores = []
    for variant in range(variants):
        level = 3 * generator.normal(size=(images, 1))
        values = (generator.normal(size=targets.shape) + variant * targets + level).astype(np.float32)
        scores.append({"gzsl": values, "seen": values[:, : len(kept)], "zsl": values[:, len(kept) :]})
    return Cell(test, scores)
