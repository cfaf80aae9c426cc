"""Annotated pictures: a picture with the words that were found in it, and their scores as bars."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.io import atomic
from embeddings.io.markup import drawn
from zsl.prediction.prediction import Found, Prediction

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFont

SIDE = 640  # pixels of a picture's longer side
PANEL, LINE, EDGE = 320, 30, 12  # pixels
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
    width = PANEL - 2 * EDGE
    for place, one in enumerate(found):
        top = EDGE + place * LINE
        colour = SEEN if one.seen else UNSEEN
        draw.rectangle((left, top + LINE - 9, left + width, top + LINE - 5), fill="#e8e8e8")
        draw.rectangle((left, top + LINE - 9, left + round(width * one.score), top + LINE - 5), fill=colour)
        draw.text((left, top), _fitting(f"{one.label}{' (seen)' if one.seen else ''}", width - 56), INK, _font())
        draw.text((left + width, top), f"{one.score:.3f}", INK, _font(), anchor="ra")
    if not found:
        draw.text((left, EDGE), "no word", INK, _font())
    return sheet


def save_annotated(folder: Path, place: int, image: "PIL.Image.Image", prediction: Prediction) -> None:
    """Writes a picture with its words as a JPEG, named by its place in the list and its own name.

    Args:
        folder: an existing one.
        place: of the picture in the list.
        image: the whole picture.
        prediction: its words.
    """
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(prediction.name).stem)
    with atomic.replacing(folder / f"{place:07d}-{stem[:STEM]}.jpg") as file:
        annotated(image, prediction.found).save(file, "JPEG", quality=90)


@cache
def _font() -> "PIL.ImageFont.FreeTypeFont":
    """DejaVu Sans, which matplotlib brings: it has Latin, Greek and Cyrillic letters and many signs."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 15)


def _fitting(text: str, width: int) -> str:
    """The text, cut to a width in pixels."""
    text = drawn(text)
    while text and _font().getlength(text) > width:
        text = text[:-2] + "…" if len(text) > 1 else ""
    return text
