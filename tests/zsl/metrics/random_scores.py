"""Scores and targets that metrics are tried on."""

import numpy as np


def random_scores(seed, images=211, labels=17, levels=None):
    """Normal scores, rounded to 1 / `levels`, and targets, (image, label): no positive of label 3, all of label 5."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(images, labels)).astype(np.float32)
    if levels:
        scores = np.round(scores * levels) / levels
    targets = (generator.random((images, labels)) < 0.1).astype(np.uint8)
    targets[:, 3] = 0
    targets[:, 5] = 1
    return scores, targets
