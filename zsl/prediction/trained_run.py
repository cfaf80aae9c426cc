"""A trained run as a model: its facts, and its parts with their weights."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat
from torch import nn

from embeddings.banks.bank import Bank
from embeddings.encoders.open_clip_models import FOLDER
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model
from zsl.backbones.base import BaseBackbone
from zsl.backbones.config import AnyBackboneConfig
from zsl.prediction.facts import Facts
from zsl.prediction.parts import backbone_config, made_backbone, made_readout
from zsl.prediction.thresholds import FILE as THRESHOLDS
from zsl.prediction.thresholds import Thresholds
from zsl.readouts.readout import Readout
from zsl.runs.config import RunConfig, validated
from zsl.runs.reader import Reader
from zsl.runs.records import Finished, read_finished
from zsl.runs.saved import AGAIN, BACKBONE, CONFIG, OWN, READOUT, OwnObjects, read_config, trained_bank
from zsl.tensor_file import load_module, state_hash


@dataclass(frozen=True)
class Measured:
    """What facts take from `metrics.json`; a run that was not measured has none."""

    metrics: dict[str, FiniteFloat] = field(default_factory=dict)
    intervals: dict[str, tuple[FiniteFloat, FiniteFloat]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """What a trained model is made of."""

    backbone: BaseBackbone | None
    readout: Readout
    facts: Facts
    bank: Bank
    thresholds: Thresholds | None


def read_run(folder: Path, backbone: nn.Module | None, readout: Readout | None) -> Parts:
    """The parts of a trained run; its data are not read.

    Args:
        folder: of a finished run.
        backbone, readout: the user's own modules, if the run was trained with such; they get the weights.
    Raises:
        InputError: not a finished run; a damaged or exchanged file; a backbone that is not to be had.
    """
    record, bank = read_finished(folder), trained_bank(folder)
    config, own = _config(folder)
    facts = _facts(folder, record, config, own, bank)
    readout = made_readout(facts, readout, folder)
    load_module(folder / READOUT, readout, AGAIN, record.weights(READOUT, folder))
    made = None
    if record.reader is not None or backbone is not None:
        extracted = getattr(config.data, "root", None)
        made = _backbone(folder, record, facts, backbone, extracted)
    thresholds = folder / THRESHOLDS
    return Parts(made, readout, facts, bank, Thresholds.load(thresholds) if thresholds.is_file() else None)


def _backbone(
    folder: Path, record: Finished, facts: Facts, own: nn.Module | None, extracted: Path | None
) -> BaseBackbone:
    """The backbone of a run, with its weights: from its folder, or found again and checked by their hash.

    `extracted` is the folder of the data: extracted tokens have their backbone beside them.
    """
    if BACKBONE in record.weights_sha256:
        made = made_backbone(facts, own, folder)
        load_module(folder / BACKBONE, made, AGAIN, record.weights(BACKBONE, folder))
        return made
    reader = record.reader
    if own is not None or reader is None:
        return made_backbone(facts, own, folder)
    values = reader.backbone or {}
    if extracted is not None and (extracted / BACKBONE).is_file():
        made = made_backbone(facts, None, folder)
        load_module(extracted / BACKBONE, made, "extract the tokens again")
    else:
        _check_found(folder, backbone_config(values, f"the backbone of {folder}"))
        made = made_backbone(replace(facts, backbone=values), None, folder, weights=True)
    if state_hash(made) != reader.sha256:
        raise InputError(f"the weights of backbone {made.name} are not those of {folder}; restore them")
    return made


def _check_found(folder: Path, config: AnyBackboneConfig) -> None:
    """Checks that the weights of a run's backbone can be found again.

    Raises:
        InputError: they cannot.
    """
    told = f"{folder} has no {BACKBONE}"
    if config.pretraining is not None:
        raise InputError(f"{told}, and its backbone was trained before tokens were extracted; extract and train again")
    if config.weights is not None and not config.weights.exists():
        raise InputError(f"{told}, and {config.weights} does not exist; restore one of them, or {AGAIN}")
    if not config.has_weights:
        raise InputError(f"{told}; restore it, or {AGAIN}")


def facts_of(name: str, config: RunConfig, own: dict[str, str], reader: Reader | None, **known: Any) -> Facts:
    """The facts of a model.

    Args:
        name: of the model.
        config: of its run.
        own: the kinds of the user's own objects, by section.
        reader: how pictures become tokens; None for features that no backbone of ours made.
        known: the other facts.
    """
    values = None if reader is None else reader.backbone
    if values is not None:  # folders are of this machine
        model, weights = values["name"], values["weights"]
        values = values | {
            "name": f"{FOLDER}{Path(model).name}" if model.startswith(FOLDER) else model,
            "weights": None if weights is None else Path(weights).name,
        }
    return Facts(
        name=name,
        loss=config.train.loss,
        square=None if reader is None else reader.square,
        backbone=values,
        decoder=None if "readout" in own else config.decoder.model_dump(mode="json"),
        own=own,
        rounded=reader is not None and reader.rounded,
        leading=0 if reader is None else reader.leading,
        precision=config.train.precision,
        normalise="none" if config.evaluate.normalise == "label" else config.evaluate.normalise,
        temperature=config.evaluate.temperature,
        **known,
    )


def _config(folder: Path) -> tuple[RunConfig, dict[str, str]]:
    """A run's config, and the kinds of the user's own objects in place of its sections."""
    if (folder / CONFIG).is_file() or not (folder / OWN).is_file():
        return read_config(folder), {}
    saved = read_model(folder / OWN, OwnObjects, AGAIN)
    return validated(saved.config, str(folder / OWN)), saved.objects


def _facts(folder: Path, record: Finished, config: RunConfig, own: dict[str, str], bank: Bank) -> Facts:
    path = folder / "metrics.json"
    measured = read_model(path, Measured, "run zsl evaluate again") if path.is_file() else Measured()
    return facts_of(
        folder.resolve().name,
        config,
        own,
        record.reader,
        data=record.data.name,
        fingerprint=record.data.fingerprint,
        seen=record.seen,
        channels=record.channels,
        embed_dim=bank.embed_dim,
        training=config.train.model_dump(mode="json") | {"best_epoch": record.best_epoch, "chosen": record.chosen},
        **asdict(measured),
    )
