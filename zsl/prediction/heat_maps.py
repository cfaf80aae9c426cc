"""Heat maps: where a model looked for a label, drawn over the picture."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8

from embeddings.io.markup import drawn
from zsl.data.squares import Box
from zsl.readouts.looks import MEANINGS, Look

if TYPE_CHECKING:
    import PIL.Image
    import PIL.ImageFont

# readable by the colour-blind; the second for values of both signs: orange for the label, white nothing, purple against
COLOURS, SIGNED = "viridis", "PuOr_r"
OPACITY = 0.6
SIDE = 768  # the longer side of a drawn picture, in pixels, at most
THUMBNAIL = 176  # the same in a contact sheet
SHEET_PICTURES, SHEET_LABELS = 24, 6  # rows and columns of heat maps in a contact sheet, at most
TEXT, GAP = 14, 6  # pixels
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where a model looked for a label in one picture.

    Args:
        label: its name.
        values: (row, column) over the square that the model reads.
        box: which part of the picture this square shows, in pixels of the picture.
        look: what the values are.
        note: shown after the label, such as its score.
    """

    label: str
    values: Float32[np.ndarray, "row column"]
    box: Box
    look: Look
    note: str = ""

    @property
    def peak(self) -> tuple[float, float]:
        """The centre of the place with the highest value: (x, y) in pixels of the picture."""
        row, column = np.unravel_index(int(self.values.argmax()), self.values.shape)
        left, top, right, bottom = self.box
        rows, columns = self.values.shape
        return left + (column + 0.5) * (right - left) / columns, top + (row + 0.5) * (bottom - top) / rows

    @property
    def legend(self) -> tuple[str, str]:
        """Two lines: the label with its note, and what the colours mean."""
        lowest, highest = self.values.min(), self.values.max()
        meaning = f"{MEANINGS[self.look]}: {lowest:.2g} to {highest:.2g}"
        return " ".join(filter(None, (self.label, self.note))), meaning

    @property
    def signed(self) -> bool:
        """Whether values speak for the label or against it."""
        return self.look == "evidence"

    @property
    def colours(self) -> str:
        """What the colours mean, as a sentence."""
        if self.signed:
            return "Orange speaks for the word, purple against it, white is nothing"
        return "Yellow is the highest value, violet the lowest"


def overlaid(picture: "PIL.Image.Image", heat: HeatMap, side: int = SIDE) -> "PIL.Image.Image":
    """The picture under the colours of a heat map (`coloured`).

    The part that the model reads is grey under the colours. What it does not read keeps the picture's own colours.

    Args:
        picture: the whole picture, RGB.
        heat: the heat map.
        side: of the result, in pixels: the longer side, at most.
    Returns:
        the drawing, in the picture's proportions.
    """
    from PIL import Image

    small = picture.copy()
    small.thumbnail((side, side))
    across, down = small.width / picture.width, small.height / picture.height
    left, right = (min(round(end * across), small.width) for end in (heat.box[0], heat.box[2]))
    top, bottom = (min(round(end * down), small.height) for end in (heat.box[1], heat.box[3]))
    size = max(right - left, 1), max(bottom - top, 1)
    values = Image.fromarray(heat.values).resize(size, Image.Resampling.BILINEAR)
    grey = small.crop((left, top, left + size[0], top + size[1])).convert("L").convert("RGB")
    small.paste(Image.blend(grey, Image.fromarray(coloured(np.asarray(values), heat.signed)), OPACITY), (left, top))
    return small


def coloured(values: Float32[np.ndarray, "row column"], signed: bool = False) -> UInt8[np.ndarray, "row column 3"]:
    """The colours of values, from their lowest to their highest; if all are equal, the lowest colour.

    Args:
        values: of a heat map.
        signed: the scale is as long on both sides of zero, so that zero is white. It is so too if a value is negative.
    """
    from matplotlib import colormaps

    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0 or signed:
        most = max(-lowest, highest) or 1
        return np.round(255 * colormaps[SIGNED](0.5 + values / (2 * most))[..., :3]).astype(np.uint8)
    shares = (values - lowest) / (highest - lowest or 1)
    return np.round(255 * colormaps[COLOURS](shares)[..., :3]).astype(np.uint8)


def with_legend(picture: "PIL.Image.Image", heat: HeatMap) -> "PIL.Image.Image":
    """The picture under the heat map's colours, and below it the label, the bar of colours and what they mean."""
    from PIL import Image, ImageDraw

    drawing, (first, second) = overlaid(picture, heat), heat.legend
    font = text_font()
    ends = float(heat.values.min()), float(heat.values.max())
    bar = Image.fromarray(coloured(np.linspace(*ends, 64, dtype=np.float32)[None].repeat(TEXT - 2, 0), heat.signed))
    start = 2 * GAP + bar.width
    wide = max(drawing.width, 240, start + math.ceil(font.getlength(second)) + GAP)
    sheet = Image.new("RGB", (wide, drawing.height + 2 * (TEXT + GAP) + 2 * GAP), WHITE)
    sheet.paste(drawing, (0, 0))
    pen, line = ImageDraw.Draw(sheet), drawing.height + GAP
    pen.text((GAP, line), fitting(first, wide - 2 * GAP, font), BLACK, font)
    sheet.paste(bar, (GAP, line + TEXT + GAP + 2))
    pen.text((start, line + TEXT + GAP), second, BLACK, font)
    return sheet


class ContactSheet:
    """Pictures as rows, with the heat maps of their labels; only the first ones, so that its size is bounded.

    Attributes:
        left_out: number of pictures and of heat maps that are not on the sheet.
    """

    def __init__(self) -> None:
        self.rows: list[list[PIL.Image.Image]] = []
        self.left_out = [0, 0]

    def add(self, name: str, picture: "PIL.Image.Image", maps: list[HeatMap]) -> None:
        """Adds a picture with the heat maps of its labels, if there is room."""
        if len(self.rows) == SHEET_PICTURES:
            self.left_out[0] += 1
            return
        self.left_out[1] += max(len(maps) - SHEET_LABELS, 0)
        small = picture.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        cells = [_cell(small, name)]
        for heat in maps[:SHEET_LABELS]:
            cells.append(_cell(overlaid(picture, heat, THUMBNAIL), heat.legend[0]))
        self.rows.append(cells)

    def drawn(self) -> "PIL.Image.Image":
        """The sheet."""
        from PIL import Image

        wide, high = THUMBNAIL + GAP, THUMBNAIL + TEXT + 2 * GAP
        columns = max(map(len, self.rows))
        sheet = Image.new("RGB", (columns * wide + GAP, len(self.rows) * high + GAP), WHITE)
        for row, cells in enumerate(self.rows):
            for column, cell in enumerate(cells):
                sheet.paste(cell, (GAP + column * wide, GAP + row * high))
        return sheet


def _cell(picture: "PIL.Image.Image", text: str) -> "PIL.Image.Image":
    from PIL import Image, ImageDraw

    cell = Image.new("RGB", (THUMBNAIL, THUMBNAIL + TEXT + GAP), WHITE)
    cell.paste(picture, ((THUMBNAIL - picture.width) // 2, (THUMBNAIL - picture.height) // 2))
    font = text_font()
    ImageDraw.Draw(cell).text((0, THUMBNAIL + 2), fitting(text, THUMBNAIL, font), BLACK, font)
    return cell


def fitting(text: str, width: float, font: "PIL.ImageFont.FreeTypeFont") -> str:
    """The text in one line (`drawn`), cut at the end with "…" if it is wider than so many pixels."""
    text = drawn(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@cache
def text_font(size: int = TEXT - 1) -> "PIL.ImageFont.FreeTypeFont":
    """DejaVu Sans, which matplotlib brings: it has Latin, Greek and Cyrillic letters and many signs."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)
