"""How pictures become squares: as timm's own transforms do it, and the whole of a picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform

from zsl.data.layouts.cifar100 import Cifar100Config
from zsl.data.squares import Square


@pytest.fixture
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (29, 43, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((215, 145), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize(("size", "interpolation", "crop"), [(67, "bicubic", 0.875), (61, "bilinear", 1.0)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_square_is_that_of_timm(picture, size, interpolation, crop, squash, turned):
    image = picture.transpose(Image.Transpose.ROTATE_90) if turned else picture
    mode = "squash" if squash else "center"
    transform = create_transform(
        (3, size, size), interpolation=interpolation, crop_pct=crop, crop_mode=mode, mean=(0,) * 3, std=(1,) * 3
    )
    expected = 255 * transform(image).permute(1, 2, 0).numpy()
    found = np.asarray(Square(size, interpolation, crop, squash).of(image), float)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_whole_picture_is_pillows_resize(picture):
    expected = picture.resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(Square(32).of(picture), expected)
    assert Cifar100Config(root=Path()).square() == Square(224, "bilinear", 1.0, True)
    assert Cifar100Config(root=Path(), image_size=32, crop=0.5).square() == Square(32, "bilinear", 0.5, True)


def test_a_very_long_picture_costs_no_more_than_its_square():
    # resized whole, its longer side would have 20,000,000 pixels
    square = Square(224, "bicubic", 0.875, squash=False).of(Image.new("RGB", (1, 80_000), (9, 8, 7)))
    np.testing.assert_array_equal(np.asarray(square), np.full((224, 224, 3), (9, 8, 7)))


@pytest.mark.parametrize("square", [Square(64), Square(64, crop=0.875), Square(63, "bicubic", 0.9, squash=False)])
def test_the_box_of_a_square_is_what_it_shows(square):
    """Pixels that hold their own place show which places are left: the ends are half a pixel of the square inside."""
    across, down = np.meshgrid(np.arange(210), np.arange(140))
    left, top, right, bottom = square.box(210, 140)
    for places, start, end in ((across, left, right), (down, top, bottom)):
        shown = np.asarray(square.of(Image.fromarray(np.repeat(places[..., None], 3, 2).astype(np.uint8))))[..., 0]
        half = (end - start) / square.size / 2
        assert abs(shown.min() - (start + half)) < 2  # the picture's own pixels are up to 3.3 wide here
        assert abs(shown.max() - (end - half)) < 2
    assert 0 <= left < right <= 210
    assert 0 <= top < bottom <= 140
