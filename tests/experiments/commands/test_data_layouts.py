"""`zsl data` and `zsl train` on the same pictures as a folder, as Parquet files and as shards."""

import json

import datasets
import pytest

from tests.experiments.command import refused, zsl
from tests.zsl.album import Album
from tests.zsl.data.layouts.test_huggingface import write_tables
from tests.zsl.data.layouts.test_webdataset import write_shards

MODEL = """
[backbone]
name = "resnet10t"
level = 2
[bank]
encoder = "lexical:16"
[decoder]
width = 16
ffn = 16
group_size = 2
[train]
epochs = 1
batch_size = 8
[evaluate]
k = [1]
"""


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """Config files of one album in every layout, by the layout's name."""
    root = tmp_path_factory.mktemp("layouts")
    album = Album.make(root / "album")
    tables = write_tables(album)
    layouts = {
        "folder": album.as_folder(),
        "parquet": tables,
        "streamed": tables | {"streaming": True},
        "shards": write_shards(album),
        "packed": write_shards(album, packed=True),
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", root / "tables")
        for name, keys in layouts.items():
            lines = [f"{key} = {json.dumps(v if isinstance(v, bool) else str(v))}" for key, v in keys.items()]
            found[name] = root / f"{name}.toml"
            found[name].write_text("\n".join(["[data]", "image_size = 32", *lines]) + MODEL)
        yield found


def test_tokens_do_not_depend_on_the_layout(configs, tmp_path):
    found = {}
    for name, config in configs.items():
        assert zsl("data", "extract", config, "--out", tmp_path / name, "--rows", 8).exit_code == 0
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        shards = sorted((tmp_path / name).glob("t*.safetensors"))
        found[name] = [manifest["fingerprint"], *((shard.name, shard.read_bytes()) for shard in shards)]
    assert len(found["folder"]) == 4
    assert all(other == found["folder"] for other in found.values())


def test_models_are_trained_from_tables_and_shards(configs, tmp_path):
    for name in ("parquet", "shards"):
        assert zsl("train", configs[name], "--out", tmp_path / name).exit_code == 0
    losses = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("parquet", "shards")]
    assert losses[0] == losses[1]
    for name in ("streamed", "packed"):
        told = zsl("train", configs[name], "--out", tmp_path / name)
        refused(told, "can only be read in order; rewrite it with zsl data extract, and train from that")
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["streamed", "packed"])
def test_tables_and_shards_are_checked(configs, tmp_path, name):
    assert zsl("data", "check", configs[name], "--out", tmp_path / "f.json").exit_code == 0
    found = {f["item"]: f for f in json.loads((tmp_path / "f.json").read_text())["findings"]}
    assert found["images"]["message"] == "all 17 decode"  # image 4 has no label
    assert found["identical images"]["verdict"] == "ok"
