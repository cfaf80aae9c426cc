"""How a picture becomes the square image that a backbone reads."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

if TYPE_CHECKING:
    import PIL.Image

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
LONGEST = 16  # sides of the square; resizing a longer picture whole would take much memory
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Square:
    """A resize and a central crop, as timm's transforms for evaluation do them.

    Args:
        size: the side of the square, in pixels.
        interpolation: of the resize.
        crop: the share of the resized side that is kept: sides are resized to `size / crop` pixels.
        squash: True resizes both sides to that length; False resizes the shorter side, and the ends of the longer one
            are cut off.
    """

    size: PositiveInt
    interpolation: Interpolation = "bilinear"
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    squash: bool = True

    def of(self, image: "PIL.Image.Image") -> "PIL.Image.Image":
        """The square of an image, to the last bit as timm's and torchvision's transforms make it.

        Of an image longer than `LONGEST` squares, only the pixels of its square are computed; some of these then differ
        by a few levels.
        """
        from PIL import Image

        resampling, (width, height) = Image.Resampling[self.interpolation.upper()], self._lengths(*image.size)
        if max(width, height) > LONGEST * self.size:
            return image.resize((self.size, self.size), resampling, self.box(*image.size))
        left, top = self._start(width), self._start(height)
        # the whole, because Pillow rounds to levels between rows and columns, in an order that depends on the sizes
        return image.resize((width, height), resampling).crop((left, top, left + self.size, top + self.size))

    def box(self, width: int, height: int) -> Box:
        """Which part of a picture the square shows.

        >>> Square(224, crop=0.875, squash=False).box(512, 256)
        (144.0, 16.0, 368.0, 240.0)

        Args:
            width, height: of the picture, in pixels.
        Returns:
            (left, top, right, bottom), in pixels of the picture; the rest is cut off.
        """
        ends = []
        for side, length in zip((width, height), self._lengths(width, height), strict=True):
            start = self._start(length)
            ends.append((start * side / length, min((start + self.size) * side / length, side)))
        (left, right), (top, bottom) = ends
        return left, top, right, bottom

    def _lengths(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the resized picture."""
        scaled, short = math.floor(self.size / self.crop), min(width, height)
        if self.squash:
            return scaled, scaled
        return int(scaled * width / short), int(scaled * height / short)

    def _start(self, length: int) -> int:
        """Where the square begins on a resized side."""
        return round((length - self.size) / 2)
