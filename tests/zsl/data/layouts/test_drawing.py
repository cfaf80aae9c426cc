"""Drawn textures and shapes."""

import numpy as np
import pytest

from zsl.data.layouts.drawing import SHAPES, TEXTURES, boxes_of_set, draw, draw_set, draw_with_boxes, phrases


def test_every_texture_and_shape_looks_different():
    for kinds in ([f"{t} red circle" for t in TEXTURES], [f"solid red {s}" for s in SHAPES]):
        pictures = [draw([name], np.random.default_rng(0), 64).astype(float) for name in kinds]
        for i, first in enumerate(pictures):
            assert all(abs(first - second).mean() > 0.5 for second in pictures[:i])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_of_an_object_is_the_smallest_around_its_pixels(shape):
    """The picture without the object is the one in which the object's colour is the background's."""
    name = f"solid magenta {shape}"
    picture, ((left, top, right, bottom),) = draw_with_boxes([name], np.random.default_rng(3), 64)
    # the background has no colour as strong as magenta: red and blue far above green
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    rows, columns = np.nonzero((red - green > 120) & (blue - green > 90))
    assert (left, top, right, bottom) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_array_equal(picture, draw([name], np.random.default_rng(3), 64))


def test_the_boxes_of_a_set_are_those_of_its_pictures():
    names = [name for name, _ in phrases()[::31]]
    _, targets = draw_set(names, 13, seed=5, size=32, max_objects=3)
    found = boxes_of_set(names, 13, seed=5, size=32, max_objects=3)
    for row, objects in enumerate(found):
        assert sorted(label for label, _ in objects) == np.flatnonzero(targets[row]).tolist()
        assert all(0 <= left < right <= 32 and 0 <= top < bottom <= 32 for _, (left, top, right, bottom) in objects)
