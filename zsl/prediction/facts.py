"""What a trained model must know beside its weights, and the records that say it on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import FiniteFloat, NonNegativeInt, PositiveInt

from zsl.config import Precision
from zsl.data.squares import Square
from zsl.losses.table import LossName
from zsl.prediction.thresholds import Temperature
from zsl.readouts.normalisation import OfPicture

FORMAT: Literal["zsl-model/1"] = "zsl-model/1"


@dataclass(frozen=True)
class Facts:
    """What a trained model knows of itself. Configs are stored as plain values.

    Args:
        name: of the model, for the card.
        data: name of the dataset that it was trained on.
        fingerprint: of that dataset.
        seen: the labels that it was trained on.
        channels: size of a token.
        embed_dim: size of a word vector.
        loss: that it was trained with.
        square: how pictures are read; None for a model of tokens.
        backbone: the config of its backbone; None for one of the user's own, and for a model of tokens.
        decoder: the config of its readout; None for one of the user's own.
        own: the user's own objects, by section ("backbone", "readout", "data").
        rounded: its readout was trained on tokens in bfloat16.
        precision: of the arithmetic in training.
        training: the config of training, and what validation chose.
        metrics: figures on the test set, by "protocol/metric"; {} if it was not measured.
        intervals: of those figures.
        protocol: the protocol stamp of those figures.
        normalise, temperature: how scores are normalised (`zsl.readouts.normalisation`).
        leading: number of the first tokens that stand for the whole image.
    """

    name: str
    data: str
    fingerprint: str
    seen: tuple[str, ...]
    channels: PositiveInt
    embed_dim: PositiveInt
    loss: LossName
    square: Square | None = None
    backbone: dict[str, Any] | None = None
    decoder: dict[str, Any] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    rounded: bool = False
    precision: Precision = "auto"
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, FiniteFloat] = field(default_factory=dict)
    intervals: dict[str, tuple[FiniteFloat, FiniteFloat]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    normalise: OfPicture = "none"
    temperature: Temperature = 1.0
    leading: NonNegativeInt = 0


@dataclass(frozen=True)
class ModelFile:
    """`model.json` of an exported model.

    Args:
        facts: about the model.
        files: the sha256 of the other files, by name. For tensor files it is the hash that they contain.
        bank_sha256: of the bank.
        backbone_sha256: of the backbone's weights by name. It also identifies public weights, which the folder lacks.
        versions: of Python and of the packages that wrote it.
        format: of the folder.
        sha256: of all the above.
    """

    facts: Facts
    files: dict[str, str]
    bank_sha256: str
    backbone_sha256: str | None
    versions: dict[str, str]
    format: Literal["zsl-model/1"] = FORMAT
    sha256: str = ""
