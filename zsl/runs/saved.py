"""Reading a run's folder: its config, its word vectors, its model."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.reading import read_json, read_model
from zsl.data.dataset_config import SquareConfig
from zsl.data.table import DATASETS
from zsl.losses.table import LOSSES
from zsl.model import ZeroShotModel
from zsl.readouts.table import make_readout
from zsl.runs.config import RunConfig, resolved, validated
from zsl.runs.records import Calibrated, read_finished
from zsl.runs.source import Source
from zsl.tensor_file import load_module

BANK, READOUT, BACKBONE = "bank.safetensors", "readout.safetensors", "backbone.safetensors"
CONFIG, OWN = "config.json", "own_objects.json"
AGAIN = "train again"
# how runs of earlier versions read pictures, which had no keys for it
WHOLE = {"interpolation": "bilinear", "crop": 1.0, "squash": True}


@dataclass(frozen=True)
class OwnObjects:
    """`own_objects.json`, which replaces `config.json`: the user's own objects by section, and the other sections."""

    objects: dict[str, str]
    config: dict[str, Any]


def config_values(folder: Path) -> dict[str, Any]:
    """The sections of a run's config, as in its folder.

    Raises:
        InputError: the run was trained with the user's own objects, so it has no config; a missing or damaged file.
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
        InputError: same as for `config_values`; an unknown key, an impossible value.
    """
    return resolved(validated(config_values(folder), str(folder / CONFIG)))


def trained_bank(folder: Path) -> Bank:
    """The word vectors of a trained run.

    Raises:
        InputError: the run is not finished; the vectors are not those of training.
    """
    bank = Bank.load(folder / BANK)
    if bank.sha256 != read_finished(folder).bank_sha256:
        raise InputError(f"{folder / BANK} is not the bank that its run was trained with; restore it")
    return bank


def trained_model(folder: Path, source: Source, bank: Bank) -> ZeroShotModel:
    """The model of a trained run, for the inputs of its source.

    Args:
        folder: of the run.
        source: the run's data and backbone, and its readout if that is the user's own.
        bank: the run's word vectors; the readout is made for their width.
    Returns:
        the model, with the weights of the run.
    Raises:
        InputError: the run is not finished; weights that the run did not write; tokens of another size.
    """
    record = read_finished(folder)
    config = source.config if source.own else read_config(folder)
    if source.channels != record.channels:
        told = f"tokens of {source.data.name} have {source.channels} channels"
        raise InputError(f"{told}, but {folder} was trained on {record.channels}; restore the data")
    made, seen = source.readout, len(record.seen)
    readout = made or make_readout(config.decoder, record.channels, bank.embed_dim, seen)
    readout.lead(source.leading)
    load_module(folder / READOUT, readout, AGAIN, record.weights(READOUT, folder))
    backbone = None if source.cached else copy.deepcopy(source.backbone)  # each run has its own copy
    if backbone is not None:
        load_module(folder / BACKBONE, backbone, AGAIN, record.weights(BACKBONE, folder))
    return ZeroShotModel(backbone, readout, LOSSES[config.train.loss].exclusive)


def calibrated(folder: Path) -> Calibrated | None:
    """The bias on seen logits that `zsl calibrate-gzsl` chose for a run; None if the run was not calibrated.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / "calibration.json"
    if not path.is_file():
        return None
    return read_model(path, Calibrated, "remove it and run zsl calibrate-gzsl again")
