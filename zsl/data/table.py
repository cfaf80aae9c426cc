"""Datasets by name."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from zsl.config import Config
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.cifar100 import Cifar100Config, load_cifar100
from zsl.data.layouts.class_folders import ClassFoldersConfig, load_class_folders
from zsl.data.layouts.coco import CocoConfig, load_coco
from zsl.data.layouts.corel5k import Corel5kConfig, load_corel5k
from zsl.data.layouts.csv_layout import CsvConfig, load_csv
from zsl.data.layouts.folder import FolderConfig, load_folder
from zsl.data.layouts.hdf5 import Hdf5Config, load_hdf5
from zsl.data.layouts.nus_wide import NusWideConfig, load_nus_wide
from zsl.data.layouts.open_images import OpenImagesConfig, load_open_images
from zsl.data.layouts.ram import RamConfig, load_ram
from zsl.data.layouts.scenes import ScenesConfig, load_scenes
from zsl.data.layouts.stanford_cars import StanfordCarsConfig, load_stanford_cars
from zsl.data.layouts.tfrecords import TfRecordsConfig, load_tfrecords
from zsl.data.layouts.voc import VocConfig, load_voc
from zsl.data.tokens.files import TokensConfig, load_tokens

DATASETS: dict[str, tuple[type[Config], Callable[[Any], MultiLabelData]]] = {
    "scenes": (ScenesConfig, load_scenes),
    "folder": (FolderConfig, load_folder),
    "csv": (CsvConfig, load_csv),
    "class_folders": (ClassFoldersConfig, load_class_folders),
    "nus_wide": (NusWideConfig, load_nus_wide),
    "hdf5": (Hdf5Config, load_hdf5),
    "tfrecords": (TfRecordsConfig, load_tfrecords),
    "ram": (RamConfig, load_ram),
    "open_images": (OpenImagesConfig, load_open_images),
    "coco": (CocoConfig, load_coco),
    "voc": (VocConfig, load_voc),
    "cifar100": (Cifar100Config, load_cifar100),
    "stanford_cars": (StanfordCarsConfig, load_stanford_cars),
    "corel5k": (Corel5kConfig, load_corel5k),
    "tokens": (TokensConfig, load_tokens),
}
DataConfig = Annotated[
    ScenesConfig
    | FolderConfig
    | CsvConfig
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
    | TokensConfig,
    Field(discriminator="name"),
]


def load_data(config: DataConfig) -> MultiLabelData:
    """The dataset that a config section names."""
    _, load = DATASETS[config.name]
    return load(config)
