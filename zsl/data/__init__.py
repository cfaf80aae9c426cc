"""Datasets by name."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from zsl.config import Config
from zsl.data.corel5k import Corel5kConfig, load_corel5k
from zsl.data.csv_layout import CsvConfig, load_csv
from zsl.data.dataset import MultiLabelData, Part, Samples, batches_of, opened
from zsl.data.scenes import ScenesConfig, load_scenes

DATASETS: dict[str, tuple[type[Config], Callable[[Any], MultiLabelData]]] = {
    "scenes": (ScenesConfig, load_scenes),
    "csv": (CsvConfig, load_csv),
    "corel5k": (Corel5kConfig, load_corel5k),
}
DataConfig = Annotated[ScenesConfig | CsvConfig | Corel5kConfig, Field(discriminator="name")]


def load_data(config: DataConfig) -> MultiLabelData:
    """The dataset that a config section names."""
    _, load = DATASETS[config.name]
    return load(config)


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
