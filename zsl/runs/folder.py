"""A run's folder: how it is begun, filled and read.

In order: `begun.json`, `bank.safetensors`, `config.json`, `backbone.safetensors` of a backbone that is no file of the
user's, `history.json` after every epoch, `readout.safetensors`, and `run.json`, with which the run is finished.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.output_folders import make_folder
from embeddings.io.reading import read_json, read_model
from embeddings.io.settings import flat
from zsl.data.squares import SquareConfig
from zsl.data.table import DATASETS
from zsl.losses.table import LOSSES
from zsl.model import ZeroShotModel
from zsl.readouts.table import make_readout
from zsl.runs.config import RunConfig, resolved, validated
from zsl.runs.records import BEGUN, Begun, Calibrated, Finished, read_begun, read_finished, write_record
from zsl.runs.source import Source
from zsl.runs.training import model_cost, train_model
from zsl.tensor_file import load_module, read_tensors, save_module
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History
from zsl.training.journal import Journal, Watch

BANK, READOUT, BACKBONE = "bank.safetensors", "readout.safetensors", "backbone.safetensors"
CONFIG, OWN = "config.json", "own_objects.json"
AGAIN = "train again"
# keys that change how a run goes, not what comes out
PRACTICAL = ("train.workers", "train.trackers", "train.checkpoint_steps")
# how runs read pictures before there were keys for it
WHOLE = {"interpolation": "bilinear", "crop": 1.0, "squash": True}


@dataclass(frozen=True)
class OwnObjects:
    """`own_objects.json`, in place of `config.json`: the kinds of the user's own objects by section, and the rest."""

    objects: dict[str, str]
    config: dict[str, Any]


def config_values(folder: Path) -> dict[str, Any]:
    """The sections of a run's config, as its folder has them.

    Raises:
        InputError: the run has none, as objects of the user's own were given for it; the file is missing or damaged.
    """
    path = folder / CONFIG
    if not path.is_file() and (folder / OWN).is_file():
        own = read_model(folder / OWN, OwnObjects, AGAIN).objects
        named = ", ".join(f"{section} {kind}" for section, kind in own.items())
        raise InputError(
            f"{folder} was trained by zsl.fit with objects of your own ({named}), which a command cannot make again; "
            "measure the model in Python: zsl.evaluate(model, data, bank)"
        )
    if not path.is_file():
        raise InputError(f"no config file {path}; {AGAIN}")
    values = read_json(path, "a config")
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no sections; write {{SECTION: {{KEY: VALUE}}}}")
    data = values.get("data")
    if isinstance(data, dict) and issubclass(DATASETS.get(str(data.get("name")), object), SquareConfig):
        values["data"] = WHOLE | data
    return values


def read_config(folder: Path) -> RunConfig:
    """The config that a run was trained with.

    Raises:
        InputError: as of `config_values`; an unknown key, an impossible value.
    """
    return resolved(validated(config_values(folder), str(folder / CONFIG)))


def begin_run(source: Source, bank: Bank, folder: Path, resume: bool = False) -> None:
    """Makes a run's folder with its config and bank; with `resume`, takes over one in which the run was begun.

    Raises:
        InputError: the folder holds something else, or a run of another config, other data or another bank; the
            backbone cannot be trained on so many images in such batches.
    """
    source.check_batches()
    begun = folder / BEGUN
    continued = resume and begun.is_file()
    if resume and not continued and folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run to go on with; choose another --out")
    source.context.accelerator.wait_for_everyone()  # each has looked whether the folder is there
    record = Begun.of(source.config, source.channels, source.data, bank)
    if continued:
        _check_same(read_begun(folder), record, folder)
    if source.context.is_main:
        if not folder.is_dir():
            make_folder(folder)
        if not continued:
            write_record(folder, record)  # first: the folder is a run's from here on
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
                f"{folder} was begun with other {name} ({one}, now {two}); restore them, or choose another --out"
            )


def _keep_bank(bank: Bank, path: Path) -> None:
    """Writes a run's bank, unless it is there.

    Raises:
        InputError: another bank is there, or it is damaged.
    """
    if not path.is_file():
        bank.save(path)
    elif Bank.load(path).sha256 != bank.sha256:
        raise InputError(f"{path} is not the bank that its run was begun with; remove it, and it is written again")


def _keep_config(source: Source, folder: Path) -> None:
    """Writes a run's config, or what stands in for it, unless it is there."""
    path = folder / (OWN if source.own else CONFIG)
    if path.is_file():
        return
    text = source.config.model_dump_json(indent=1)
    if source.own:
        text = json.dumps({"objects": dict(source.own), "config": _described(source)}, indent=1)
    atomic.write_text(path, text + "\n")


def _described(source: Source) -> dict[str, Any]:
    """The config without the sections of the user's own objects."""
    values = source.config.model_dump(mode="json")
    return {section: keys for section, keys in values.items() if section not in source.own}


def check_same_config(source_config: RunConfig, own: dict[str, str], folder: Path) -> None:
    """Checks that a run was begun with this config, and with own objects of these kinds.

    Raises:
        InputError: keys differ; it names them.
    """
    now = source_config.model_dump(mode="json")
    if own and (folder / OWN).is_file():
        saved = read_model(folder / OWN, OwnObjects, AGAIN)
        before = {"own": saved.objects} | saved.config
        now = {"own": own} | {section: keys for section, keys in now.items() if section not in own}
    else:
        before = read_config(folder).model_dump(mode="json")
    one, two = flat(before), flat(now)
    other = [k for k in {**one, **two} if one.get(k) != two.get(k) and not k.startswith(PRACTICAL)]
    if other:
        told = ", ".join(f"{key} was {one.get(key)!r}, now {two.get(key)!r}" for key in other)
        raise InputError(f"{folder} was begun with another config: {told}; give the same, or choose another --out")


def pretrain_backbone(source: Source, folder: Path) -> None:
    """Trains a run's frozen backbone before the run, where its config asks for that; what was trained before is kept.

    Raises:
        InputError: a damaged file.
    """
    chosen, saved = source.config.backbone, folder / BACKBONE
    if source.backbone is None or chosen is None or chosen.pretrain is None:
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


def train_run(
    source: Source, bank: Bank, folder: Path, task: str = "train", watch: Watch | None = None
) -> tuple[ZeroShotModel, History]:
    """Trains, or solves, one model on seen labels and writes its folder; the test part is not looked at.

    A run that was begun in the folder continues from its last checkpoint.

    Args:
        source: as of `train_model`.
        bank: word vectors of every label.
        folder: made by `begin_run`, or here.
        task: what progress calls the training.
        watch: called with the history after every epoch, on the main process, once `history.json` holds it.
    Returns:
        as of `train_model`.
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
    """Writes the weights, and the record that says that the run is whole."""
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
    )
    write_record(folder, record)  # last: a folder with a run.json is a whole run


def _save_backbone(source: Source, folder: Path) -> None:
    """The frozen backbone of a run, unless it is a file of the user's."""
    chosen, path = source.config.backbone, folder / BACKBONE
    if chosen is None or source.backbone is None or path.is_file():
        return
    if chosen.pretrain is not None or chosen.weights is None:
        save_module(path, source.backbone)


def trained_bank(folder: Path) -> Bank:
    """The word vectors of a trained run.

    Raises:
        InputError: not a whole run, other vectors than those of training.
    """
    bank = Bank.load(folder / BANK)
    if bank.sha256 != read_finished(folder).bank_sha256:
        raise InputError(f"{folder / BANK} is not the bank that its run was trained with; restore it")
    return bank


def trained_model(folder: Path, source: Source, bank: Bank) -> ZeroShotModel:
    """The model of a trained run, for the inputs of its source.

    Args:
        folder: of the run.
        source: its data and backbone, and its readout where that is the user's own.
        bank: whose width the readout has.
    Raises:
        InputError: not a whole run, weights that are not its own, inputs of another size.
    """
    record = read_finished(folder)
    config = source.config if source.own else read_config(folder)
    if source.channels != record.channels:
        told = f"tokens of {source.data.name} have {source.channels} channels"
        raise InputError(f"{told}, but {folder} was trained on {record.channels}; restore the data")
    readout = source.readout or make_readout(config.decoder, record.channels, bank.embed_dim, len(record.seen))
    load_module(folder / READOUT, readout, AGAIN, record.weights(READOUT, folder))
    backbone = None if source.cached else copy.deepcopy(source.backbone)  # each run has one of its own
    if backbone is not None:
        load_module(folder / BACKBONE, backbone, AGAIN, record.weights(BACKBONE, folder))
    return ZeroShotModel(backbone, readout, LOSSES[config.train.loss].exclusive)


def calibrated_shift(folder: Path) -> float | None:
    """The bias on seen logits that `zsl calibrate` chose for a run, if it was asked to.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / "calibration.json"
    if not path.is_file():
        return None
    return read_model(path, Calibrated, "remove it and run zsl calibrate again").shift
