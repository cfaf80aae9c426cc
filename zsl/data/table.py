"""The datasets that a run's `data` section can name."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from embeddings.io.errors import InputError
from embeddings.io.settings import parsed
from zsl.config import Config, kinds_of
from zsl.data.dataset import MultiLabelData
from zsl.data.dataset_config import DatasetConfig
from zsl.data.layouts.cifar100 import Cifar100Config
from zsl.data.layouts.class_folders import ClassFoldersConfig
from zsl.data.layouts.coco import CocoConfig
from zsl.data.layouts.corel5k import Corel5kConfig
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.layouts.folder import FolderConfig
from zsl.data.layouts.hdf5 import Hdf5Config
from zsl.data.layouts.huggingface import HuggingFaceConfig
from zsl.data.layouts.nus_wide import NusWideConfig
from zsl.data.layouts.open_images import OpenImagesConfig
from zsl.data.layouts.ram import RamConfig
from zsl.data.layouts.scenes import ScenesConfig
from zsl.data.layouts.stanford_cars import StanfordCarsConfig
from zsl.data.layouts.tfrecords import TfRecordsConfig
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.layouts.voc import VocConfig
from zsl.data.layouts.webdataset import WebDatasetConfig

Known = (
    ScenesConfig
    | FolderConfig
    | CsvConfig
    | HuggingFaceConfig
    | WebDatasetConfig
    | ClassFoldersConfig
    | NusWideConfig
    | Hdf5Config
    | TfRecordsConfig
    | RamConfig
    | OpenImagesConfig
    | CocoConfig
    | VocConfig
    | Cifar100Config
    | StanfordCarsConfig
    | Corel5kConfig
    | TokensConfig
)
DATASETS: dict[str, type[DatasetConfig]] = kinds_of(Known, "name")
DataConfig = Annotated[Known, Field(discriminator="name")]


class _Section(Config):
    """A run's section, so that messages name its keys as a run does."""

    data: DataConfig


def load_data(config: DatasetConfig | None = None, **keys: Any) -> MultiLabelData:
    """A dataset, by its config or by the keys of one.

    >>> data = load_data(name="scenes", train=40, test=20, image_size=32)
    >>> data.train.inputs.read([0, 1]).shape  # (image, colour, row, column)
    torch.Size([2, 3, 32, 32])

    Args:
        config: such as `FolderConfig(root=Path("photos"))`; or
        keys: those of a run's `data` section: `load_data(name="folder", root="photos", unseen="unseen.txt")`.
    Returns:
        the dataset.
    Raises:
        InputError: an unknown name or key, missing or damaged files, a part without an image.
    """
    if config is None:
        config = parsed(_Section, {"data": keys}, "load_data").data
    elif keys:
        raise InputError("load_data takes a config or the keys of one, not both")
    return replace(config.load(), config=config)
