"""Drawn textures and shapes."""

import numpy as np

from zsl.data.layouts.drawing import SHAPES, TEXTURES, draw


def test_every_texture_and_shape_looks_different():
    for kinds in ([f"{t} red circle" for t in TEXTURES], [f"solid red {s}" for s in SHAPES]):
        pictures = [draw([name], np.random.default_rng(0), 64).astype(float) for name in kinds]
        for i, first in enumerate(pictures):
            assert all(abs(first - second).mean() > 0.5 for second in pictures[:i])
