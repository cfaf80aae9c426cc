"""The base classes of the datasets' configs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from zsl.config import Config
from zsl.data.squares import Interpolation, Square

if TYPE_CHECKING:
    import zsl.data.dataset


class DatasetConfig(Config, ABC):
    """The base of every dataset's config: it loads the dataset, and states what the toolkit must know about its kind.

    A subclass has a field `name: Literal[NAME] = NAME`, which `data.name` of a run chooses.
    """

    pictures: ClassVar[bool] = False  # it holds pictures, which a backbone reads; otherwise features
    drawn: ClassVar[bool] = False  # the toolkit draws it; it needs no files of the user

    @property
    def feature_files(self) -> dict[str, Path]:
        """Files of ready features, by their names in the config; `zsl data extract` rewrites them as they are."""
        return {}

    def made_with(self) -> Mapping[str, Any]:
        """Of tokens, what `zsl data extract` made them with, as in `MultiLabelData`; else {}."""
        return {}

    @abstractmethod
    def load(self) -> "zsl.data.dataset.MultiLabelData":
        """The dataset.

        Raises:
            InputError: missing or damaged files; a part without an image.
        """


class SquareConfig(DatasetConfig):
    """The base of every dataset of pictures: how each picture becomes a square (`Square`). By default timm's config of
    the backbone decides.

    `image_size`, in pixels, is the square's `size`.
    """

    pictures: ClassVar[bool] = True
    image_size: int | None = Field(None, ge=8)
    interpolation: Interpolation | None = None
    crop: float | None = Field(None, gt=0, le=1)
    squash: bool | None = None

    def square(self, size: int = 224) -> Square:
        """The square that the keys describe; by default the whole picture, resized bilinearly to side `size`."""
        given = {name: getattr(self, name) for name in ("interpolation", "crop", "squash")}
        return Square(self.image_size or size, **{name: value for name, value in given.items() if value is not None})
