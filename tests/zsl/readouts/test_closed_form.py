"""Sums over batches against numpy's over all images."""

import numpy as np

from zsl.readouts.closed_form import Statistics

IMAGES, CHANNELS, LABELS = 61, 13, 11


def test_streamed_sums_are_those_of_the_whole():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(IMAGES, CHANNELS)), (generator.random((IMAGES, LABELS)) < 0.3).astype(np.int8)
    sums = Statistics.of(((x[i : i + 17], y[i : i + 17]) for i in range(0, IMAGES, 17)), CHANNELS, LABELS)
    np.testing.assert_allclose(sums.gram, np.cov(x.T, bias=True) * IMAGES, rtol=1e-10)
    np.testing.assert_allclose(sums.cross, (x - x.mean(0)).T @ (y - y.mean(0)), rtol=1e-9, atol=1e-10)
    assert sums.images == IMAGES
    assert sums.yy == y.sum()
