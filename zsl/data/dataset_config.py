"""What every dataset's config has."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from zsl.config import Config
from zsl.data.squares import Interpolation, Square

if TYPE_CHECKING:
    import zsl.data.dataset


class DatasetConfig(Config, ABC):
    """The base of every dataset's config: it loads the dataset, and states what the toolkit must know of its kind.

    A subclass has a field `name: Literal[NAME] = NAME`, which `data.name` of a run chooses.
    """

    pictures: ClassVar[bool] = False  # it holds pictures, which a backbone reads; else features
    drawn: ClassVar[bool] = False  # the toolkit makes it: there are no files of the user's

    @property
    def feature_files(self) -> dict[str, Path]:
        """Files of ready features, by their names in the config; `zsl data extract` rewrites them as they are."""
        return {}

    @abstractmethod
    def load(self) -> "zsl.data.dataset.MultiLabelData":
        """The dataset.

        Raises:
            InputError: files that are missing or damaged, no image left.
        """


class SquareConfig(DatasetConfig):
    """The base of every dataset of pictures: how each becomes a square (`Square`). Keys that are not given follow the
    backbone's config in timm.

    `image_size`, in pixels, is the square's `size`.
    """

    pictures: ClassVar[bool] = True
    image_size: int | None = Field(None, ge=8)
    interpolation: Interpolation | None = None
    crop: float | None = Field(None, gt=0, le=1)
    squash: bool | None = None

    def square(self, size: int = 224) -> Square:
        """The square that the keys describe; those not given mean the whole picture, bilinear, of side `size`."""
        given = {name: getattr(self, name) for name in ("interpolation", "crop", "squash")}
        return Square(self.image_size or size, **{name: value for name, value in given.items() if value is not None})
