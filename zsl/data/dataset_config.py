"""What every dataset's config has."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zsl.config import Config

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
