"""Datasets by name."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from zsl.config import Config
from zsl.data.corel5k import Corel5kConfig, load_corel5k
from zsl.data.csv_layout import CsvConfig, load_csv
from zsl.data.dataset import MultiLabelData, Part, Samples, batches_of, opened
from zsl.data.exclusion import ImagesConfig, excluding
from zsl.data.nus_wide import NusWideConfig, load_nus_wide
from zsl.data.scenes import ScenesConfig, load_scenes
from zsl.data.tokens import TokensConfig, load_tokens

DATASETS: dict[str, tuple[type[Config], Callable[[Any], MultiLabelData]]] = {
    "scenes": (ScenesConfig, load_scenes),
    "csv": (CsvConfig, load_csv),
    "corel5k": (Corel5kConfig, load_corel5k),
    "nus_wide": (NusWideConfig, load_nus_wide),
    "tokens": (TokensConfig, load_tokens),
}
DataConfig = Annotated[
    ScenesConfig | CsvConfig | Corel5kConfig | NusWideConfig | TokensConfig, Field(discriminator="name")
]


def load_data(config: DataConfig) -> MultiLabelData:
    """The dataset that a config section names, without the images that it excludes."""
    _, load = DATASETS[config.name]
    data = load(config)
    return data if not isinstance(config, ImagesConfig) or config.exclude is None else excluding(data, config.exclude)


__all__ = [
    "DATASETS",
    "DataConfig",
    "MultiLabelData",
    "Part",
    "Samples",
    "ScenesConfig",
    "batches_of",
    "load_data",
    "opened",
]
