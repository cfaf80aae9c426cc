"""How a picture becomes the square image that a backbone reads."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

if TYPE_CHECKING:
    import PIL.Image

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
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
        """The square of an image. Only the pixels of the square are computed, however long the image is."""
        from PIL import Image

        resampling = Image.Resampling[self.interpolation.upper()]
        return image.resize((self.size, self.size), resampling, self.box(*image.size))

    def box(self, width: int, height: int) -> Box:
        """Which part of a picture the square shows.

        >>> Square(224, crop=0.875, squash=False).box(512, 256)
        (144.0, 16.0, 368.0, 240.0)

        Args:
            width, height: of the picture, in pixels.
        Returns:
            (left, top, right, bottom), in pixels of the picture; the rest is cut off.
        """
        scaled, short = math.floor(self.size / self.crop), min(width, height)
        ends = []
        for side in (width, height):
            length = scaled if self.squash else int(scaled * side / short)
            start = round((length - self.size) / 2)
            ends.append((start * side / length, min((start + self.size) * side / length, side)))
        (left, right), (top, bottom) = ends
        return left, top, right, bottom
