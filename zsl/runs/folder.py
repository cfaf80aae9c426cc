"""Writes a run's folder; `zsl.runs.saved` reads it.

The files, in the order of writing: `begun.json`, `bank.safetensors`, `config.json`, `backbone.safetensors` (unless
`backbone.keep` is off), `history.json` after every epoch, `readout.safetensors`, and `run.json`,
which marks the run as finished.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.output_folders import make_folder
from embeddings.io.reading import read_model
from embeddings.io.settings import flat
from zsl.model import ZeroShotModel
from zsl.runs.config import RunConfig
from zsl.runs.reader import reader_of
from zsl.runs.records import BEGUN, Begun, Finished, read_begun, write_record
from zsl.runs.saved import AGAIN, BACKBONE, BANK, CONFIG, OWN, READOUT, OwnObjects, read_config
from zsl.runs.source import Source
from zsl.runs.training import model_cost, train_model
from zsl.tensor_file import load_module, read_tensors, save_module
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History
from zsl.training.journal import Journal, Watch

SHOWN = 5  # keys in a message
# keys that change how a run proceeds, not its results
PRACTICAL = ("train.workers", "train.trackers", "train.checkpoint_steps", "backbone.keep")
Trained = tuple[ZeroShotModel, History]


def begin_run(source: Source, bank: Bank, folder: Path, resume: bool = False) -> None:
    """Makes a run's folder with its config and bank; with `resume`, accepts a folder in which the run was started.

    Args:
        source: config, data and backbone.
        bank: word vectors of every label.
        folder: of the run.
        resume: whether the folder may exist already.
    Raises:
        InputError: the folder holds something else, or a run with another config, other data or another bank; the
            backbone cannot be trained with this number of images and batch size.
    """
    source.check_batches()
    begun = folder / BEGUN
    continued = resume and begun.is_file()
    if resume and not continued and folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run to continue; choose another folder")
    source.context.accelerator.wait_for_everyone()  # every process has checked the folder
    record = Begun.of(source.config, source.channels, source.data, bank)
    if continued:
        _check_same(read_begun(folder), record, folder)
    if source.context.is_main:
        if not folder.is_dir():
            make_folder(folder)
        if not continued:
            write_record(folder, record)  # first, because it marks the folder as a run's
        _keep_bank(bank, folder / BANK)
        _keep_config(source, folder)
    source.context.accelerator.wait_for_everyone()


def _check_same(before: Begun, now: Begun, folder: Path) -> None:
    for name, one, two in (
        ("data", before.data.fingerprint, now.data.fingerprint),
        ("bank", before.bank_sha256, now.bank_sha256),
        ("backbone weights", before.backbone_weights_sha256, now.backbone_weights_sha256),
    ):
        if one != two:
            raise InputError(
                f"{folder} was started with other {name} ({one}, now {two}); restore them, or choose another folder"
            )


def _keep_bank(bank: Bank, path: Path) -> None:
    """Writes a run's bank, unless the folder has it already.

    Raises:
        InputError: the folder has another bank, or the file is damaged.
    """
    if not path.is_file():
        bank.save(path)
    elif Bank.load(path).sha256 != bank.sha256:
        raise InputError(f"{path} is not the bank that its run was started with; remove it, and it is written again")


def _keep_config(source: Source, folder: Path) -> None:
    """Writes `config.json`, or `own_objects.json` instead if the user gave own objects, unless the file exists."""
    path = folder / (OWN if source.own else CONFIG)
    if path.is_file():
        return
    text = source.config.model_dump_json(indent=1)
    if source.own:
        rest = _described(source.config.model_dump(mode="json"), source.own)
        text = json.dumps({"objects": dict(source.own), "config": rest}, indent=1)
    atomic.write_text(path, text + "\n")


def _described(values: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    """The sections of a config that no object of the user replaces."""
    given = {"decoder" if name == "readout" else name for name in own}
    return {section: keys for section, keys in values.items() if section not in given}


def check_same_config(
    config: RunConfig, folder: Path, own: Mapping[str, str] | None = None, ignored: tuple[str, ...] = PRACTICAL
) -> None:
    """Checks that a run was started with this config, and with own objects of these kinds.

    Args:
        config: with which the run is to be continued.
        folder: of the run.
        own: same as for `Source`.
        ignored: prefixes of keys that may differ.
    Raises:
        InputError: keys differ; the message names them.
    """
    now, before = config.model_dump(mode="json"), dict[str, Any]()
    if own and (folder / OWN).is_file():
        saved = read_model(folder / OWN, OwnObjects, AGAIN)
        before, now = {"own": saved.objects} | saved.config, {"own": dict(own)} | _described(now, own)
    else:
        before = read_config(folder).model_dump(mode="json")
    one, two = flat(before), flat(now)
    other = [k for k in {**one, **two} if one.get(k) != two.get(k) and not k.startswith(ignored)]
    if other:
        told = ", ".join(f"{key} was {one.get(key)!r}, now {two.get(key)!r}" for key in other[:SHOWN])
        more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
        raise InputError(
            f"{folder} was started with another config: {told}{more}; give the same, or choose another folder"
        )


def carry_out(source: Source, bank: Bank, folder: Path, resume: bool, watch: Watch | None = None) -> Trained:
    """A whole run: its folder, trackers, the backbone's pretraining, and the training.

    Args:
        source: config, data and backbone.
        bank: word vectors of every label.
        folder: of the run.
        resume: continue a run that was started there.
        watch: called with the history after every epoch, on the main process.
    Returns:
        same as for `train_model`.
    Raises:
        InputError: same as for `begin_run` and `train_model`.
    """
    begin_run(source, bank, folder, resume)
    if source.config.train.trackers:
        keys = {key: str(value) for key, value in flat(source.config.model_dump()).items()}
        source.context.accelerator.init_trackers("trackers", config=keys)
    pretrain_backbone(source, folder)
    trained = train_run(source, bank, folder, watch=watch)
    for tracker in source.context.accelerator.trackers:
        tracker.finish()
    return trained


def pretrain_backbone(source: Source, folder: Path) -> None:
    """Pretrains a run's frozen backbone, if its config asks for it; a backbone that was trained before is loaded.

    Raises:
        InputError: the file of the trained backbone is damaged.
    """
    chosen, saved = source.config.backbone, folder / BACKBONE
    if source.backbone is None or chosen is None or chosen.pretraining is None:
        return
    checkpoints = Checkpoints(folder / "pretraining", source.config.train.checkpoint_steps)
    if saved.is_file():
        load_module(saved, source.backbone, "remove it, and it is trained again")
        if source.context.is_main:
            checkpoints.remove()
        return
    source.pretrain(checkpoints)
    if source.context.is_main:
        _save_backbone(source, folder)
        checkpoints.remove()
    source.context.accelerator.wait_for_everyone()


def train_run(source: Source, bank: Bank, folder: Path, task: str = "train", watch: Watch | None = None) -> Trained:
    """Trains, or solves, one model on seen labels and writes its folder; the test part is not read.

    A run that was started in the folder continues from its last checkpoint.

    Args:
        source: same as for `train_model`.
        bank: word vectors of every label.
        folder: made by `begin_run`, or here.
        task: the name of the training in progress reports.
        watch: called with the history after every epoch, on the main process, when `history.json` is written.
    Returns:
        same as for `train_model`.
    """
    if not (folder / BEGUN).is_file():
        begin_run(source, bank, folder)

    def written(history: History) -> None:
        atomic.write_text(folder / "history.json", json.dumps(history.as_json(), indent=1) + "\n")
        if watch is not None:
            watch(history)

    checkpoints = Checkpoints(folder / "checkpoint", source.config.train.checkpoint_steps)
    if source.context.is_main:
        _save_backbone(source, folder)
    model, history = train_model(source, bank, Journal(task, checkpoints, written))
    if source.context.is_main:
        _finish(model, history, source, bank, folder)
        checkpoints.remove()
    source.context.accelerator.wait_for_everyone()
    return model, history


def _finish(model: ZeroShotModel, history: History, source: Source, bank: Bank, folder: Path) -> None:
    """Writes the weights, and then the record that marks the run as finished."""
    weights = {READOUT: save_module(folder / READOUT, model.readout)}
    if model.backbone is not None:
        weights[BACKBONE] = save_module(folder / BACKBONE, model.backbone)
    elif (folder / BACKBONE).is_file():
        _, weights[BACKBONE] = read_tensors(folder / BACKBONE, AGAIN)
    record = Finished(
        **vars(read_begun(folder)),
        seen=source.data.seen,
        best_epoch=history.best_epoch + 1,
        chosen=history.chosen,
        parameters=sum(p.numel() for p in model.readout.parameters()),
        multiply_accumulates=model_cost(model, source, bank),
        weights_sha256=weights,
        reader=reader_of(source, model.backbone or source.backbone),
    )
    write_record(folder, record)  # last: a folder with run.json is a finished run


def _save_backbone(source: Source, folder: Path) -> None:
    """Writes the frozen backbone of a run, unless its weights are to be found again elsewhere (`backbone.keep`)."""
    chosen, path = source.config.backbone, folder / BACKBONE
    if chosen is None or source.backbone is None or path.is_file():
        return
    elsewhere = chosen.pretraining is None and chosen.has_weights
    if chosen.keep or not elsewhere:
        save_module(path, source.backbone)
