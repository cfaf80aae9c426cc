"""What is fuzzed: for every reader, a small folder as it should be, and the call that reads it.

A target's `read` returns a digest of all that it took from the files. Where a damaged file that carries a hash is read
all the same, the digest must be that of the whole one.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.experiments import grids, report_folder
from tests.zsl import layouts
from tests.zsl.album import Album

NAMES = ["sky", "sea"]


@dataclass
class Target:
    """A reader with what it reads.

    `make` fills an empty folder; `read` reads it, or as much of it as the damaged file touches. `files` are patterns of
    what is damaged, `hashed` of what carries a hash. `share` is how often the target comes, against the others;
    `keep_cache`: its folder has a cache of label files.
    """

    name: str
    make: Callable[[Path], Any]
    read: Callable[[Path, Any, Path], str]
    files: tuple[str, ...]
    hashed: tuple[str, ...] = ()
    share: float = 1.0
    keep_cache: bool = False
    state: Any = field(default=None, repr=False)


def digest(*values: Any) -> str:
    """Of arrays, tensors and plain values."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, torch.Tensor):
            value = value.float().numpy()
        if isinstance(value, np.ndarray):
            found.update(str(value.shape).encode() + np.ascontiguousarray(value).tobytes())
        else:
            found.update(repr(value).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


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
    grids.write_tokens(folder)
    return {"name": "corel5k", "file": folder / "regions.npz", "split": folder / "split.json"}


def _tokens(folder: Path) -> dict[str, Any]:
    from pydantic import TypeAdapter

    from zsl.context import Context
    from zsl.data.table import DataConfig, load_data
    from zsl.data.tokens.extraction import Extraction, extract

    values = _features("hdf5", layouts.write_hdf5)(_made(folder / "from"))
    data = load_data(TypeAdapter(DataConfig).validate_python(values))
    extract(None, data, folder / "tokens", Extraction(rows=8), Context.of("fp32", batch_size=64))
    return {"name": "tokens", "root": folder / "tokens", "verify": "full"}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bank(folder: Path) -> Path:
    from embeddings.banks.build import build_bank

    path = folder / "made.bank"
    build_bank(["sky", "polar bear", "Meer"], "lexical:16", num_seen=2, transforms=["center", "l2"]).save(path)
    return path.rename(folder / "made.safetensors")


def _read_bank(_: Path, path: Path, __: Path) -> str:
    from embeddings.banks.bank import Bank

    bank = Bank.load(path)
    return digest(bank.labels, np.array(bank.vectors), bank.notes, bank.num_seen)


def _vectors(folder: Path) -> None:
    import gzip

    from gensim.models import FastText, KeyedVectors
    from gensim.models.fasttext import save_facebook_model

    keyed = KeyedVectors(5)
    keyed.add_vectors(["sky", "sea", "polar_bear"], np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    keyed.save_word2vec_format(str(folder / "w2v.txt"), binary=False)
    keyed.save_word2vec_format(str(folder / "w2v.bin"), binary=True)
    (folder / "glove.txt").write_text("sky 1 2 3\nsea 4 5 6\n")
    (folder / "packed.txt.gz").write_bytes(gzip.compress((folder / "w2v.txt").read_bytes()))
    keyed.save(str(folder / "own.kv"))
    model = FastText([["sky", "sea", "bear"]] * 9, vector_size=5, min_count=1, epochs=1, bucket=11, workers=1)
    save_facebook_model(model, str(folder / "facebook.bin"))


def _matrices(folder: Path) -> None:
    from safetensors.numpy import save_file

    matrix = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    np.save(folder / "m.npy", matrix)
    save_file({"m": matrix}, folder / "m.safetensors")
    torch.save({"m": torch.from_numpy(matrix)}, folder / "m.pt")
    (folder / "names.txt").write_text("\n".join(NAMES))


def _encoded(spec: str) -> str:
    from embeddings.banks.build import build_bank

    return digest(np.array(build_bank(NAMES, spec, oov=("phrase", "random")).vectors))


def _read_vectors(_: Path, __: Any, path: Path) -> str:
    own = path.with_name("own.kv") if path.name.startswith("own.kv") else path
    return _encoded(f"gensim:{own}")


def _read_matrix(folder: Path, _: Any, path: Path) -> str:
    matrix = folder / "m.npy" if path.suffix == ".txt" else path
    return _encoded(f"matrix:{matrix},labels={folder / 'names.txt'}")


def _names(folder: Path) -> None:
    (folder / "labels.txt").write_text("sky\nmer d'été\nमील\n", "utf-8")
    (folder / "prompts.txt").write_text("a photo of a {}\n{}\n")
    (folder / "texts.txt").write_text("sky\tblue and wide\nsea\tsalt water\n")
    (folder / "texts.json").write_text(json.dumps({"sky": ["blue", "wide"], "sea": "salt"}))
    (folder / "aliases.txt").write_text("sky\theaven\n")


def _read_names(folder: Path, _: Any, path: Path) -> str:
    from embeddings.texts import read_aliases, read_descriptions, read_labels, read_prompts

    calls = {"labels.txt": read_labels, "prompts.txt": read_prompts, "aliases.txt": read_aliases}
    return digest(calls.get(path.name, read_descriptions)(path))


def _configs(folder: Path) -> None:
    from experiments.config.recipes import RECIPES

    (folder / "config.toml").write_text((RECIPES / "scenes.toml").read_text("utf-8"))
    (folder / "config.json").write_text(_run_config(folder).model_dump_json(indent=1))
    grids.write_tokens(folder)
    axes = 'decoder.query = ["text", "learnable"]\n"decoder.width" = [16, 24]'
    grids.write_grid(folder, axes, tail='[[exclude]]\ndecoder = {query = "learnable", width = 24}\n')


def _run_config(folder: Path) -> Any:
    from experiments.config.reading import load_config

    data = [f"data.file={folder}/regions.npz", f"data.split={folder}/split.json"]
    small = ["decoder.width=16", "decoder.ffn=16", "bank.encoder=lexical:16", "train.epochs=1", "train.precision=fp32"]
    return load_config("corel5k", [*data, *small, "evaluate.k=[1]", "evaluate.bootstrap=5"])


def _read_configs(_: Path, __: Any, path: Path) -> str:
    from experiments.config.reading import load_config
    from experiments.grids.grid_file import spec_grid

    if path.name == "grid.toml":
        return digest([run.config.model_dump_json() for run in spec_grid(path, None, [], None).runs])
    return digest(load_config(str(path), []).model_dump_json())


def _scores(folder: Path) -> None:
    generator = np.random.default_rng(0)
    scores, targets = generator.normal(size=(9, 4)).astype(np.float32), generator.random((9, 4)) < 0.4
    targets[0] = True
    labels, images = np.array(["dog", "cat", "sky", "été"]), np.array([f"{n}.jpg" for n in range(9)])
    np.save(folder / "scores.npy", scores)
    np.savez(folder / "scores.npz", scores=scores, labels=labels, images=images)
    np.savez(folder / "targets.npz", targets=targets.astype(np.int8), labels=labels, images=images)
    for name, table in (("scores", scores), ("targets", targets.astype(int))):
        rows = [
            ",".join(["image", *labels]),
            *(",".join([i, *map(str, r)]) for i, r in zip(images, table.tolist(), strict=True)),
        ]
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (folder / "unseen.txt").write_text("sky\nété\n", "utf-8")


def _read_scores(folder: Path, _: Any, path: Path) -> str:
    from experiments.tables.given_scores import Given, result_of_scores

    few = ["evaluate.k=[1]", "evaluate.bootstrap=5"]
    suffix = path.suffix if path.suffix in (".csv", ".npy") else ".npz"
    targets = folder / f"targets{'.csv' if suffix == '.csv' else '.npz'}"
    unseen = folder / "unseen.txt"
    given = Given(targets=targets, unseen=unseen, settings=few)
    result = result_of_scores(folder / f"scores{suffix}", given)
    return digest(sorted(result.evaluation.metrics.items()))


def _saved_scores(folder: Path) -> None:
    from zsl.evaluation.matching import as_test_set, match
    from zsl.evaluation.named_matrix import named, read_matrix
    from zsl.evaluation.saved_scores import save_scores

    _scores(folder)
    test = as_test_set(named(read_matrix(folder / "targets.npz", "targets"), None), ("sky", "été"))
    save_scores(folder / "scores", match(read_matrix(folder / "scores.npz", "scores"), test), test)


def _read_saved_scores(folder: Path, _: Any, __: Path) -> str:
    from zsl.evaluation.measures import measure
    from zsl.evaluation.saved_scores import load_scores

    scores, test = load_scores(folder / "scores")
    return digest(sorted(measure(scores, test, (1,), 5).metrics.items()))


def _run(folder: Path) -> Path:
    from experiments.runs.run import evaluate_run
    from zsl.context import Context
    from zsl.runs.bank_config import load_bank
    from zsl.runs.folder import train_run
    from zsl.runs.source import open_source

    grids.write_tokens(folder)
    config = _run_config(folder)
    source = open_source(config, Context.of("fp32"))
    train_run(source, load_bank(config.bank, source.data), folder / "run")
    evaluate_run(folder / "run", source)
    return folder / "run"


def _read_run(_: Path, run: Path, __: Path) -> str:
    from embeddings.io.progress import silent
    from experiments.runs.run import evaluate_run, open_run

    result = evaluate_run(run, open_run(run, [], silent))
    return digest(sorted(result.evaluation.metrics.items()))


def _stopped(folder: Path) -> Path:
    """A run with a checkpoint that training goes on from."""
    from zsl.training.loop import Training

    whole = Training._end_epoch

    def stop(self: Training) -> None:
        whole(self)
        raise KeyboardInterrupt

    Training._end_epoch = stop  # type: ignore[method-assign]
    try:
        with suppress(KeyboardInterrupt):
            _run(folder)
    finally:
        Training._end_epoch = whole  # type: ignore[method-assign]
    assert list((folder / "run/checkpoint").glob("*.safetensors"))
    return folder / "run"


def _resume(folder: Path, run: Path, _: Path) -> str:
    from zsl.context import Context
    from zsl.runs.bank_config import load_bank
    from zsl.runs.folder import begin_run, check_same_config, train_run
    from zsl.runs.source import open_source

    config = _run_config(folder)
    check_same_config(config, run)
    source = open_source(config, Context.of("fp32"))
    bank = load_bank(config.bank, source.data)
    begin_run(source, bank, run, resume=True)
    train_run(source, bank, run)
    from safetensors.torch import load_file

    return digest(*(value for _, value in sorted(load_file(run / "readout.safetensors").items())))


def _grid(folder: Path) -> Any:
    from embeddings.io.progress import silent
    from experiments.grids.driver import Driver
    from experiments.grids.folder import GridFolder
    from experiments.grids.grid_file import spec_grid

    grids.write_tokens(folder)
    path = grids.write_grid(folder, 'decoder.query = ["text", "learnable"]')
    grid = spec_grid(path, None, [], None)
    driver = Driver(GridFolder(folder / "out", grid), silent, print)
    driver.run()
    return path


def _read_grid(folder: Path, path: Path, _: Path) -> str:
    from experiments.grids.folder import GridFolder
    from experiments.grids.grid_file import spec_grid

    found = GridFolder(folder / "out", spec_grid(path, None, [], None))
    found.check()
    found.gather()
    return digest([[record.variant, record.metrics] for record in found.records()])


def _report(folder: Path) -> None:
    variants = [{"query": "text", "head": "text"}, {"query": "none", "head": "text"}]
    report_folder.make_folder(folder / "table8", variants, seeds=2, seen=5, unseen=3, images=1)


def _read_report(folder: Path, _: Any, __: Path) -> str:
    from experiments.report.labels import over_seeds
    from experiments.tables.metric_table import metric_table
    from experiments.tables.table_folder import read_table_folder

    table = read_table_folder(folder / "table8")
    metric_table(table)
    return digest(repr(table), [over_seeds(table.runs)] if table.runs else [])


def _page(folder: Path, _: Any, __: Path) -> str:
    from experiments.report.page import render
    from experiments.tables.table_folder import read_table_folder

    return digest(render([read_table_folder(folder / "table8")]))


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


def targets() -> list[Target]:
    """All of them."""
    return [
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
        Target("bank", _bank, _read_bank, ("*.safetensors",), ("*",), share=4),
        Target("vector files", _vectors, _read_vectors, ("*",), share=3),
        Target("matrices", _matrices, _read_matrix, ("*",), share=1.5),
        Target("names", _names, _read_names, ("*",), share=4),
        Target("configs and grids", _configs, _read_configs, ("*.toml", "config.json"), share=5),
        Target("scores", _scores, _read_scores, ("*.npy", "*.npz", "*.csv", "*.txt"), share=2),
        Target("saved scores", _saved_scores, _read_saved_scores, ("scores/*",), ("scores/*",), share=2),
        Target("run", _run, _read_run, ("run/*.json", "run/*.safetensors"), ("*.safetensors",), share=0.5),
        Target(
            "stopped run",
            _stopped,
            _resume,
            ("run/*.json", "checkpoint/*", "run/*.safetensors"),
            ("*.safetensors",),
            share=0.05,
        ),
        Target("grid folder", _grid, _read_grid, ("grid.json", "runs/*/*.json", "results.json"), share=1),
        Target("report folder", _report, _read_report, ("*.json", "*.csv"), share=3),
        Target("report page", _report, _page, ("*.json", "*.csv"), share=0.02),
        Target("audit", _audit, _read_audit, ("labels.csv", "unseen.txt", "state.jsonl", "0.jpg"), share=0.5),
    ]


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files of a folder that a pattern fits, by the end of their path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(path.match(pattern) for pattern in patterns)]


def cache_in(folder: Path) -> None:
    """Where the toolkit keeps what it parsed."""
    os.environ["ZSL_CACHE"] = str(folder / "cache")
