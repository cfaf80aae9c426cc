"""Configs, scores, runs, grids and reports."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzzing.target import Target, digest
from tests.experiments import grid_files, report_folder


def _configs(folder: Path) -> None:
    from experiments.config.recipes import RECIPES

    (folder / "config.toml").write_text((RECIPES / "scenes.toml").read_text("utf-8"))
    (folder / "config.json").write_text(_run_config(folder).model_dump_json(indent=1))
    grid_files.write_tokens(folder)
    axes = 'decoder.query = ["text", "learnable"]\n"decoder.width" = [16, 24]'
    grid_files.write_grid(folder, axes, tail='[[exclude]]\ndecoder = {query = "learnable", width = 24}\n')


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

    saved = load_scores(folder / "scores")
    return digest(sorted(measure(saved.scores, saved.test, (1,), 5).metrics.items()))


def _run(folder: Path) -> Path:
    from experiments.runs.measurement import evaluate_run
    from zsl.context import Context
    from zsl.runs.bank_config import load_bank
    from zsl.runs.folder import train_run
    from zsl.runs.source import open_source

    grid_files.write_tokens(folder)
    config = _run_config(folder)
    source = open_source(config, Context.of("fp32"))
    train_run(source, load_bank(config.bank, source.data), folder / "run")
    evaluate_run(folder / "run", source)
    return folder / "run"


def _read_run(_: Path, run: Path, __: Path) -> str:
    from embeddings.io.progress import silent
    from experiments.runs.measurement import measure_run, open_run

    result = measure_run(run, open_run(run, [], silent))
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

    grid_files.write_tokens(folder)
    path = grid_files.write_grid(folder, 'decoder.query = ["text", "learnable"]')
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


RUNS = [
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
]
