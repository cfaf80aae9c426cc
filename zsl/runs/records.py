"""The records of a run: `begun.json`, written when it starts, and `run.json`, written when training has finished."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, PositiveInt

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.reading import read_model
from zsl.data.dataset import MultiLabelData
from zsl.data.tokens.files import hash_of
from zsl.evaluation.stamp import Form
from zsl.readouts.company import Company
from zsl.runs.config import RunConfig
from zsl.runs.reader import Reader

BEGUN, FINISHED = "begun.json", "run.json"
PACKAGES = (
    "torch",
    "timm",
    "accelerate",
    "gensim",
    "sentence-transformers",
    "numpy",
    "scikit-learn",
    "zero-shot-toolkit",
)


@dataclass(frozen=True)
class DataRecord:
    """A dataset, and how many seen and unseen labels it has."""

    name: str
    fingerprint: str
    seen: int
    unseen: int


@dataclass(frozen=True)
class Begun:
    """`begun.json`: what a run's results depend on. `channels` is the size of a token, `git` the toolkit's revision."""

    channels: PositiveInt
    bank_sha256: str
    bank: dict[str, Any]
    data: DataRecord
    backbone_weights_sha256: str | None
    versions: dict[str, str]
    git: str | None

    @classmethod
    def of(cls, config: RunConfig, channels: int, data: MultiLabelData, bank: Bank) -> "Begun":
        """The record of a run that starts now."""
        weights = None if config.backbone is None else config.backbone.file
        return cls(
            channels,
            bank.sha256,
            vars(bank.provenance),
            DataRecord(data.name, data.fingerprint, len(data.seen), len(data.unseen)),
            hash_of(weights) if weights else None,
            {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            _git_revision(),
        )


@dataclass(frozen=True)
class Finished(Begun):
    """`run.json`: also the names of the seen labels, the result of training, and the hashes of the files of weights.

    `chosen` are the values that validation chose, by config key. Earlier versions recorded neither these nor hashes.
    `best_epoch` counts from 1. `reader` is None for features that no backbone of ours made, and for earlier versions.
    """

    seen: tuple[str, ...]
    best_epoch: int
    parameters: int
    multiply_accumulates: int
    weights_sha256: dict[str, str] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    reader: Reader | None = None

    def weights(self, name: str, folder: Path) -> str:
        """The hash of a file of weights in the run's folder.

        Raises:
            InputError: the record has no hash of this file.
        """
        if name not in self.weights_sha256:
            raise InputError(f"{folder / FINISHED} is damaged (it has no hash of {name}); train again")
        return self.weights_sha256[name]


@dataclass(frozen=True)
class Calibrated:
    """`calibration.json`: the bias on seen logits that `zsl calibrate-gzsl` chose, for scores of this form."""

    shift: FiniteFloat
    company: Company = "grouped"
    normalise: str = "none"

    @property
    def form(self) -> Form:
        """Of the scores."""
        return Form(self.company, self.normalise)


def write_record(folder: Path, record: Begun) -> None:
    """Writes a record into the folder of its run."""
    name = FINISHED if isinstance(record, Finished) else BEGUN
    atomic.write_text(folder / name, json.dumps(asdict(record), indent=1) + "\n")


def read_begun(folder: Path) -> Begun:
    """The record of a run that was started.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(folder / BEGUN, Begun, "remove this folder, or choose another")


def read_finished(folder: Path) -> Finished:
    """The record of a finished run.

    Raises:
        InputError: the run is not finished, or the file is damaged.
    """
    path = folder / FINISHED
    if not path.is_file():
        raise InputError(f"{folder} is not a finished run: it has no {FINISHED}; train it with zsl train")
    record = read_model(path, Finished, "train again")
    if not record.weights_sha256:
        raise InputError(f"{path} is of an earlier version, which kept no hashes of a run's weights; train again")
    return record


def _git_revision() -> str | None:
    here = Path(__file__).parents[1]
    if not (here.parent / ".git").exists():
        return None  # the toolkit is installed; a repository around it is not the toolkit's
    found = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True
    )
    return found.stdout.strip() or None if found.returncode == 0 else None
