"""Heat maps over pictures: the right place, the right colours, and a bounded size."""

import numpy as np
import pytest
from PIL import Image

from zsl.prediction.heat_maps import (
    GAP,
    OPACITY,
    SHEET_LABELS,
    SHEET_PICTURES,
    THUMBNAIL,
    ContactSheet,
    HeatMap,
    coloured,
    fitting,
    overlaid,
    text_font,
    with_legend,
)

WIDE, HIGH = 210, 140
BOX = (30.0, 20.0, 180.0, 120.0)  # 3 columns of 50 pixels, 2 rows of 50
TOP, LOW = np.array([253, 231, 37]), np.array([68, 1, 84])  # the ends of viridis, by matplotlib


def _picture():
    pixels = np.random.default_rng(0).integers(0, 256, (HIGH, WIDE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _heat(row=1, column=2, label="sunset", **options):
    values = np.zeros((2, 3), np.float32)
    values[row, column] = 2.5
    return HeatMap(label, values, BOX, options.pop("look", "attention"), **options)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 2), (0, 1)])
def test_the_colours_are_over_the_place_that_the_value_is_of(row, column):
    picture, heat = _picture(), _heat(row, column)
    drawing = np.asarray(overlaid(picture, heat)).astype(float)
    grey = np.asarray(picture.convert("L")).astype(float)
    x, y = heat.peak
    assert (x, y) == (30 + 50 * column + 25, 20 + 50 * row + 25)
    far = (155 if column == 0 else 55, 95 if row == 0 else 45)  # the centre of a place with the lowest value
    for (left, top), colour in (((int(x), int(y)), TOP), (far, LOW)):
        expected = (1 - OPACITY) * grey[top, left] + OPACITY * colour
        np.testing.assert_allclose(drawing[top, left], expected, atol=10)  # the centre is between two pixels


def test_what_the_model_does_not_read_keeps_its_colours():
    picture = _picture()
    drawing, whole = np.asarray(overlaid(picture, _heat())), np.asarray(picture)
    outside = np.ones((HIGH, WIDE), bool)
    outside[20:120, 30:180] = False
    np.testing.assert_array_equal(drawing[outside], whole[outside])
    assert (drawing[~outside] != whole[~outside]).any(1).mean() > 0.9


def test_values_of_both_signs_have_a_scale_around_zero():
    from matplotlib import colormaps

    values = np.array([[-1.0, 0.0, 4.0], [-4.0, 2.0, -2.0]], np.float32)
    expected = 255 * colormaps["PuOr_r"](0.5 + values / 8)[..., :3]
    np.testing.assert_allclose(coloured(values), expected, atol=0.51)
    assert (coloured(values)[0, 1] > 240).all()  # zero is white
    heat = HeatMap("sunset", values, BOX, "evidence")
    assert heat.colours.startswith("Orange speaks for the word")
    assert _heat().colours.startswith("Yellow is the highest")


def test_a_map_of_one_value_has_the_lowest_colour():
    assert (coloured(np.full((2, 5), 0.02, np.float32)) == LOW).all()


def test_a_large_picture_is_made_small_with_the_map_in_place():
    picture = Image.new("RGB", (4 * WIDE, 4 * HIGH), (128, 128, 128))
    heat = HeatMap("x", _heat().values, tuple(4 * end for end in BOX), "attention")
    drawing = overlaid(picture, heat, side=WIDE)
    assert drawing.size == (WIDE, HIGH)
    small = overlaid(picture.resize((WIDE, HIGH)), _heat())
    np.testing.assert_array_equal(np.asarray(drawing), np.asarray(small))


def test_the_legend_says_label_score_and_meaning():
    heat = _heat(note="0.91", look="evidence", label="sun\nset")
    assert heat.legend == ("sun\nset 0.91", "added to the logit: 0 to 2.5")
    drawing = with_legend(_picture(), heat)
    assert drawing.width > text_font().getlength(heat.legend[1]) + 64  # its numbers are never cut
    assert (np.asarray(drawing)[HIGH + GAP :] < 128).any()  # something is written


def test_a_long_label_is_cut():
    font = text_font()
    cut = fitting("m" * 1000, 100, font)
    assert cut.endswith("…")
    assert font.getlength(cut) <= 100
    assert fitting("short", 100, font) == "short"
    assert with_legend(_picture(), _heat(label="$\\frac{" * 100)).width < 300


def test_a_contact_sheet_is_bounded_and_says_what_is_left_out():
    sheet = ContactSheet()
    for picture in range(SHEET_PICTURES + 2):
        sheet.add(f"{picture}.jpg", _picture(), [_heat()] * (SHEET_LABELS + 3))
    assert sheet.left_out == [2, 3 * SHEET_PICTURES]
    drawing = sheet.drawn()
    assert drawing.width == (SHEET_LABELS + 1) * (THUMBNAIL + GAP) + GAP
    assert drawing.width * drawing.height < 10**7
    # the first cell is the picture itself, the second its first heat map
    small = _picture()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    top = GAP + (THUMBNAIL - small.height) // 2
    shown = drawing.crop((GAP, top, GAP + THUMBNAIL, top + small.height))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(small))
    second = drawing.crop((2 * GAP + THUMBNAIL, top, 2 * GAP + 2 * THUMBNAIL, top + small.height))
    np.testing.assert_array_equal(np.asarray(second), np.asarray(overlaid(_picture(), _heat(), THUMBNAIL)))
