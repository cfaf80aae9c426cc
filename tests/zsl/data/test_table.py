"""Every dataset of the table, written small; datasets by their keys."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.data.layouts.test_huggingface import _own_tables, write_tables  # noqa: F401 - a fixture
from tests.zsl.data.layouts.test_webdataset import write_shards
from tests.zsl.layouts import CHANNELS, write_hdf5, write_tfrecords
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.context import Context
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.table import DATASETS, load_data
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.writing import Extraction


@pytest.fixture
def token_folder(photographs, tmp_path):
    """Tokens of the photographs through a small backbone."""
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=32))
    backbone = Backbone(BackboneConfig(name="resnet10t", level=2))
    extract(backbone, data, tmp_path / "tokens", Extraction(rows=16), Context.of("fp32", batch_size=8))
    return tmp_path / "tokens"


@pytest.fixture
def every(request, photographs, regions, raw, token_folder, open_images):
    """A small config of every dataset."""
    of = request.getfixturevalue
    root, *arrays = of("features")
    write_hdf5(root, *arrays)
    write_tfrecords(root, *arrays)
    values = {
        "scenes": {"train": 4, "test": 200, "image_size": 32},
        "csv": {"root": photographs},
        "folder": of("album").as_folder(),
        "ram": of("album").as_ram(),
        "huggingface": write_tables(of("album")),
        "webdataset": write_shards(of("album")),
        "class_folders": {"root": of("classes")},
        "nus_wide": {"root": raw.root},
        "hdf5": {"root": root},
        "tfrecords": {"root": root, "channels": CHANNELS},
        "open_images": open_images.model_dump(),
        "coco": {"root": of("coco")[0]},
        "voc": {"root": of("voc")},
        "cifar100": {"root": of("cifar")[0]},
        "stanford_cars": {"root": of("cars")},
        "corel5k": {"file": regions[0] / "regions.npz", "split": regions[0] / "split.json"},
        "tokens": {"root": token_folder},
    }
    return {name: DATASETS[name](**v) for name, v in values.items()}


@pytest.mark.parametrize("open_images", ["v4"], indirect=True)
def test_every_dataset_has_its_entry(every):
    assert every.keys() == DATASETS.keys()
    for config in every.values():
        data = load_data(config)
        assert data.train.targets.shape == (len(data.train.inputs), len(data.seen))
        assert data.test.targets.shape == (len(data.test.inputs), len(data.seen) + len(data.unseen))
        assert data.train.targets.image_counts().all()
        assert not set(data.seen) & set(data.unseen)
        rows = [min(1, len(data.test.inputs) - 1), 0]
        inputs = data.test.inputs.read(rows)
        assert (inputs.ndim, inputs.dtype == torch.uint8) == ((4, True) if data.kind == "images" else (3, False))
        torch.testing.assert_close(data.test.inputs.read(rows[:1])[0], inputs[0])
        shown = np.flatnonzero(data.train.targets.dense()[0] > 0)
        assert next(data.tag_lists()) == [data.seen[column] for column in shown]


def test_a_dataset_is_loaded_by_its_config_or_by_its_keys(album):
    keys = album.as_folder()
    config = DATASETS["folder"](**keys)
    assert load_data(**keys).fingerprint == load_data(config).fingerprint == config.load().fingerprint
    assert load_data(**keys | {"root": str(keys["root"])}).fingerprint == config.load().fingerprint


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "foldr"}, "load_data: unknown data.name = 'foldr'; did you mean 'folder'\\? known: scenes, folder, "),
        ({"name": "folder"}, "load_data: data.root is missing; it takes a path"),
        ({"name": "folder", "root": "x", "labls": "y"}, "load_data: unknown key 'data.labls'; did you mean 'labels'"),
        ({"root": "x"}, "give data.name, one of scenes, folder, "),
        ({"config": DATASETS["scenes"](), "seed": 1}, "a config or the keys of one, not both"),
    ],
)
def test_wrong_keys_are_named(keys, message):
    with pytest.raises(InputError, match=message):
        load_data(**keys)
