"""Annotated pictures: a picture with the words that were found in it, and their scores as bars."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zsl.prediction.heat_maps import fitting, text_font
from zsl.prediction.prediction import Found

if TYPE_CHECKING:
    import PIL.Image

SIDE = 640  # pixels of a picture's longer side
PANEL, LINE, EDGE, TEXT = 320, 30, 12, 15  # pixels
SEEN, UNSEEN, INK, PAPER = "#4477aa", "#aa3377", "#222222", "#ffffff"  # colours that colour-blind readers tell apart
STEM = 60  # letters of the picture's name


def annotated(image: "PIL.Image.Image", found: Sequence[Found]) -> "PIL.Image.Image":
    """A picture with a panel beside it: each word, its score, and a bar; seen labels are marked.

    Args:
        image: in RGB; it is made smaller if it is larger than 640 px.
        found: the words.
    """
    from PIL import Image, ImageDraw

    picture = image.copy()
    picture.thumbnail((SIDE, SIDE))
    height = max(picture.height, 2 * EDGE + LINE * max(len(found), 1))
    sheet = Image.new("RGB", (picture.width + PANEL, height), PAPER)
    sheet.paste(picture, (0, 0))
    draw, left = ImageDraw.Draw(sheet), picture.width + EDGE
    width, font = PANEL - 2 * EDGE, text_font(TEXT)
    for place, one in enumerate(found):
        top = EDGE + place * LINE
        colour = SEEN if one.seen else UNSEEN
        draw.rectangle((left, top + LINE - 9, left + width, top + LINE - 5), fill="#e8e8e8")
        draw.rectangle((left, top + LINE - 9, left + round(width * one.score), top + LINE - 5), fill=colour)
        draw.text((left, top), fitting(f"{one.label}{' (seen)' if one.seen else ''}", width - 56, font), INK, font)
        draw.text((left + width, top), f"{one.score:.3f}", INK, font, anchor="ra")
    if not found:
        draw.text((left, EDGE), "no word", INK, font)
    return sheet


def file_stem(place: int, name: str) -> str:
    """The name of a picture's files, without an ending: its place in the list, and its own name."""
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(name).stem)
    return f"{place:07d}-{stem[:STEM]}"
