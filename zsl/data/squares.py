"""How a picture becomes the square that a backbone reads."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from zsl.data.dataset_config import DatasetConfig

if TYPE_CHECKING:
    import PIL.Image

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class Square:
    """A resize and a central crop, as timm's transforms for evaluation do them.

    Args:
        size: the side of the square, in pixels.
        interpolation: of the resize.
        crop: the share of the resized side that is kept: sides are resized to `size / crop` pixels.
        squash: resize both sides to that; else the shorter one, so that the ends of the longer one are cut off.
    """

    size: int
    interpolation: Interpolation = "bilinear"
    crop: float = 1.0
    squash: bool = True

    def of(self, image: "PIL.Image.Image") -> "PIL.Image.Image":
        """The square of an image. Only its pixels are computed, however long the image is."""
        from PIL import Image

        scaled, short = math.floor(self.size / self.crop), min(image.size)
        box = []
        for side in image.size:
            length = scaled if self.squash else int(scaled * side / short)
            start = round((length - self.size) / 2)
            box.append((start * side / length, min((start + self.size) * side / length, side)))
        (left, right), (top, bottom) = box
        resampling = Image.Resampling[self.interpolation.upper()]
        return image.resize((self.size, self.size), resampling, (left, top, right, bottom))


class SquareConfig(DatasetConfig):
    """Of every dataset of pictures: see `Square`. What is not given is the backbone's own, as timm's config has it.

    `image_size`, in pixels, is the square's `size`.
    """

    pictures: ClassVar[bool] = True
    image_size: int | None = Field(None, ge=8)
    interpolation: Interpolation | None = None
    crop: float | None = Field(None, gt=0, le=1)
    squash: bool | None = None

    def square(self, size: int = 224) -> Square:
        """The square; without a backbone, what is not given is the whole picture, bilinear, of a size."""
        given = {name: getattr(self, name) for name in ("interpolation", "crop", "squash")}
        return Square(self.image_size or size, **{name: value for name, value in given.items() if value is not None})
