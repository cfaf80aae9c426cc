"""Datasets: every layout, tokens on disk, and the audit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.target import Target, digest
from tests.experiments import grid_files
from tests.zsl import layouts
from tests.zsl.album import Album


def _data(values: dict[str, Any]) -> str:
    from pydantic import TypeAdapter

    from zsl.data.table import DataConfig, load_data

    data = load_data(TypeAdapter(DataConfig).validate_python(values))
    read = [
        part.inputs.read([0, len(part.inputs) - 1] if data.kind != "records" else [0])
        for part in (data.train, data.test)
    ]
    targets = [part.targets.matrix.toarray() for part in (data.train, data.test)]
    return digest(data.seen, data.unseen, *targets, *read)


def _layout(
    name: str, make: Callable[[Path], dict[str, Any]], files: tuple[str, ...], hashed: tuple[str, ...] = (), **more: Any
) -> Target:
    return Target(name, make, lambda _, values, __: _data(values), files, hashed, **more)


def _album(kind: str, *options: Any) -> Callable[[Path], dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        album = Album.make(folder / "album")
        return getattr(album, kind)(*options) | {"image_size": 16}

    return make


def _classes(folder: Path) -> dict[str, Any]:
    root = layouts.write_classes(folder)
    return {
        "name": "class_folders",
        "root": root,
        "names": root / "names.txt",
        "unseen": root / "unseen.txt",
        "image_size": 16,
    }


def _coco(folder: Path) -> dict[str, Any]:
    root, _ = layouts.write_coco(folder)
    return {"name": "coco", "root": root, "split": "48/17", "image_size": 16}


def _features(kind: str, write: Callable[..., Any]) -> Callable[[Path], dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        root, *arrays = layouts.write_features(folder)
        write(root, *arrays)
        more = {"channels": layouts.CHANNELS} if kind == "tfrecords" else {}
        return {"name": kind, "root": root, **more}

    return make


def _corel5k(folder: Path) -> dict[str, Any]:
    grid_files.write_tokens(folder)
    return {"name": "corel5k", "file": folder / "regions.npz", "split": folder / "split.json"}


def _tokens(folder: Path) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from zsl.context import Context
    from zsl.data.table import DataConfig, load_data
    from zsl.data.tokens.extraction import extract
    from zsl.data.tokens.writing import Extraction

    values = _features("hdf5", layouts.write_hdf5)(_made(folder / "from"))
    data = load_data(TypeAdapter(DataConfig).validate_python(values))
    extract(None, data, folder / "tokens", Extraction(rows=8), Context.of("fp32", batch_size=64))
    return {"name": "tokens", "root": folder / "tokens", "verify": "full"}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _audit(folder: Path) -> dict[str, Any]:
    return _album("as_folder")(folder)


def _read_audit(folder: Path, values: dict[str, Any], _: Path) -> str:
    from pydantic import TypeAdapter

    from zsl.data.audit import Look, audit
    from zsl.data.table import DataConfig, load_data

    data = load_data(TypeAdapter(DataConfig).validate_python(values))
    state = folder / "state.jsonl"
    found = audit(data, None, Look(state=state) if "state" in Look.__dataclass_fields__ else None)
    return digest([repr(one) for one in found])


DATA = [
    _layout("folder", _album("as_folder"), ("labels.csv", "unseen.txt", "test.txt", "pictures/0.jpg"), share=3),
    _layout("csv", _album("as_csv"), ("data.csv", "split.json", "pictures/0.jpg"), share=3),
    _layout("ram", _album("as_ram"), ("train.json", "test.json"), share=2),
    _layout("nus_wide", _album("as_nus_wide", False), ("*.txt", "*.dat"), share=2),
    _layout("nus_wide, halves", _album("as_nus_wide", True), ("*.txt", "*.dat")),
    _layout("nus_wide, index cache", _album("as_nus_wide", False), ("cache/*",), ("*",), keep_cache=True, share=2),
    _layout("class_folders", _classes, ("names.txt", "unseen.txt", "0.JPEG")),
    _layout("coco", _coco, ("*.json",), share=3),
    _layout(
        "voc",
        lambda folder: {"name": "voc", "root": layouts.write_voc(folder), "image_size": 16},
        ("*.txt",),
        share=2,
    ),
    _layout(
        "cifar100", lambda folder: {"name": "cifar100", "root": layouts.write_cifar(folder)[0]}, ("*.txt", "*.bin")
    ),
    _layout(
        "stanford_cars",
        lambda folder: {"name": "stanford_cars", "root": layouts.write_cars(folder), "image_size": 16},
        ("*.mat",),
        share=0.05,
    ),
    _layout("hdf5", _features("hdf5", layouts.write_hdf5), ("*.h5", "*.txt")),
    _layout("tfrecords", _features("tfrecords", layouts.write_tfrecords), ("*.tfrecords",), share=0.3),
    _layout(
        "tfrecords, plain",
        _features("tfrecords", lambda *a: layouts.write_tfrecords(*a, packed=bytes)),
        ("*.tfrecords",),
        share=2,
    ),
    _layout(
        "open_images",
        lambda folder: layouts.write_open_images(folder, "v4").model_dump() | {"image_size": 16},
        ("*.csv", "*.txt"),
        share=2,
    ),
    _layout("corel5k", _corel5k, ("regions.npz", "split.json"), share=2),
    _layout("tokens", _tokens, ("tokens/*",), ("*.safetensors",), share=3),
    Target("audit", _audit, _read_audit, ("labels.csv", "unseen.txt", "state.jsonl", "0.jpg"), share=0.5),
]
