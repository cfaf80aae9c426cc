"""The folder of an exported model: `model.json`, weights, word vectors, thresholds, and a model card.

`write_model` writes it, `read_model_folder` reads it. Nothing in it names a path of the machine it was made on.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_json, read_model
from zsl.data.tokens.files import hash_of
from zsl.prediction.card import card_of
from zsl.prediction.facts import ModelFile
from zsl.prediction.parts import made_backbone, made_readout
from zsl.prediction.thresholds import FILE as THRESHOLDS
from zsl.prediction.thresholds import Thresholds
from zsl.prediction.trained_run import Parts
from zsl.readouts.readout import Readout
from zsl.runs.records import PACKAGES
from zsl.runs.saved import BACKBONE, BANK, READOUT
from zsl.tensor_file import load_module, save_module, state_hash

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

MODEL, CARD = "model.json", "README.md"
AGAIN = "export the model again"
Weights = Literal["file", "public"]


def write_model(model: "TrainedModel", folder: Path, weights: Weights = "file") -> None:
    """Writes a model into a folder, which exists.

    Args:
        model: the model.
        folder: gets the files; files of these names are replaced.
        weights: "file" puts the backbone's weights into the folder; "public" keeps only the name and the hash of
            weights that timm fetches.
    Raises:
        InputError: "public" for a backbone whose weights are not timm's own.
    """
    backbone = model.backbone
    if weights == "public":
        check_public(model)
    files = {READOUT: save_module(folder / READOUT, model.readout)}
    if backbone is not None and weights == "file":
        files[BACKBONE] = save_module(folder / BACKBONE, backbone)
    model.bank.save(folder / BANK)
    (folder / THRESHOLDS).unlink(missing_ok=True)
    if model.thresholds is not None:
        model.thresholds.save(folder / THRESHOLDS)
        files[THRESHOLDS] = hash_of(folder / THRESHOLDS)
    how, temperature = model.normalisation.of_picture, model.normalisation.temperature
    record = ModelFile(
        replace(model.facts, normalise=how, temperature=temperature),
        files,
        model.bank.sha256,
        None if backbone is None else state_hash(backbone),
        {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )
    atomic.write_text(folder / CARD, card_of(model))
    values = asdict(record)
    values["sha256"] = _hash(values)
    # last: a folder with model.json is whole
    atomic.write_text(folder / MODEL, json.dumps(values, indent=1, allow_nan=False) + "\n")


def check_public(model: "TrainedModel") -> None:
    """Checks that timm can fetch the weights of a model's backbone.

    Raises:
        InputError: it cannot; the message says why.
    """
    values: dict[str, Any] = model.facts.backbone or {}
    told = None
    if values.get("kind", "timm") != "timm":
        told = "the weights of the backbone are not those of timm"
    elif not values:
        told = "the model has no backbone of timm"
    elif values["mode"] == "tuned" or values["pretrain"] is not None:
        told = "the backbone was trained with the run"
    elif not values["pretrained"] or values["weights"] is not None:
        told = "the weights of the backbone are not those of timm (backbone.pretrained)"
    if told is not None:
        raise InputError(f"{told}, so there is no public name for its weights; export them as a file")


def read_model_folder(folder: Path, backbone: nn.Module | None, readout: Readout | None) -> Parts:
    """The parts of an exported model.

    Args:
        folder: that `write_model` wrote.
        backbone, readout: the user's own modules, if the model has such; they get the weights.
    Returns:
        the parts, checked against their hashes.
    Raises:
        InputError: a missing, damaged or exchanged file; weights that cannot be fetched; a module of the user's own
            that was not given.
    """
    record = _record(folder / MODEL)
    facts, bank = record.facts, Bank.load(folder / BANK)
    if bank.sha256 != record.bank_sha256:
        raise InputError(f"{folder / BANK} is not the bank that the model was exported with; {AGAIN}")
    readout = made_readout(facts, readout, folder)
    _load(folder, READOUT, readout, record)
    made = None
    if facts.square is not None or backbone is not None:
        public = BACKBONE not in record.files
        made = made_backbone(facts, backbone, folder, weights=public)
        if not public:
            _load(folder, BACKBONE, made, record)
        elif record.backbone_sha256 not in (None, state_hash(made)):
            raise InputError(f"the weights of backbone {made.name} are not those that {folder} was exported with")
    return Parts(made, readout, facts, bank, _thresholds(folder, record))


def _record(path: Path) -> ModelFile:
    record = read_model(path, ModelFile, AGAIN)
    if record.sha256 != _hash(read_json(path, "a model")):
        raise InputError(f"{path} was changed after the model was exported; restore it, or {AGAIN}")
    return record


def _hash(values: Mapping[str, Any]) -> str:
    """sha256 of the values of `model.json`, except the hash itself."""
    others = {key: value for key, value in values.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _thresholds(folder: Path, record: ModelFile) -> Thresholds | None:
    path = folder / THRESHOLDS
    if (hash_of(path) if path.is_file() else None) != record.files.get(THRESHOLDS):
        raise InputError(f"{path} is not as the model was exported; restore it, or {AGAIN}")
    return Thresholds.load(path) if THRESHOLDS in record.files else None


def _load(folder: Path, name: str, module: nn.Module, record: ModelFile) -> None:
    if name not in record.files:
        raise InputError(f"{folder / MODEL} is damaged (it has no hash of {name}); {AGAIN}")
    load_module(folder / name, module, AGAIN, record.files[name])
