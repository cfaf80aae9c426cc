"""What the runs of a grid share: the data, the backbone, its tokens and the banks, in memory and in a folder.

The folder is for other processes, and for a command that continues the grid: `backbone.safetensors`, `tokens/` as
`zsl data extract` writes them, and `banks/`. Readers get bit-identical values.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from embeddings.io.reading import read_model
from zsl.context import Context
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.files import hash_of
from zsl.data.tokens.writing import Extraction
from zsl.runs.config import RunConfig
from zsl.runs.held_out import HeldOutConfig
from zsl.runs.source import Source, open_source
from zsl.tensor_file import load_module, save_module, state_hash
from zsl.training.checkpoint import Checkpoints

BASELINE = "baseline.json"  # the metrics of the backbone's own readout
ROWS = 2048  # in a shard, approximately
AGAIN = "remove it, and give the command again"


def shared_key(config: RunConfig) -> str:
    """A key that runs share if, and only if, they can share data, backbone and tokens."""
    chosen, train = config.backbone, config.train
    parts: dict[str, Any] = {"data": config.data, "backbone": chosen, "precision": train.precision}
    if chosen is not None:
        parts["batch_size"] = (
            config.evaluate.batch_size
        )  # of the backbone's passes: with another batch size, sums round differently
    if chosen is not None and chosen.pretraining is not None:
        parts |= {"augment": config.augment, "validation": train.validation}
    if config.held_out is not None:
        parts |= {"validation": train.validation, "held_out": shared_config(config).held_out}
    return _digest(parts)


def shared_config(config: RunConfig) -> RunConfig:
    """The config from which what a run shares is made: no label is held out, unless a backbone learns the others."""
    chosen, held = config.backbone, config.held_out
    if held is None or (chosen is not None and chosen.pretraining is not None):
        return config
    return config.model_copy(update={"held_out": HeldOutConfig()})


def bank_file(config: RunConfig) -> str:
    """The path of a run's bank in the shared folder."""
    held = config.held_out
    parts = config.bank if held is None else {"bank": config.bank, "held_out": held}
    return f"banks/{_digest(parts)}.safetensors"


def _digest(parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=lambda config: config.model_dump(mode="json"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class MadeOf(BaseModel):
    """`made_of.json`: the data's fingerprint, and the hash of the backbone's file of weights."""

    model_config = ConfigDict(populate_by_name=True)
    data: str
    backbone_weights: str | None = Field(alias="backbone weights")


@dataclass(frozen=True)
class SharedFolder:
    """The folder of one key."""

    path: Path

    @property
    def backbone(self) -> Path:
        return self.path / "backbone.safetensors"

    @property
    def tokens(self) -> Path:
        return self.path / "tokens"

    def make(self, source: Source, on_disk: bool) -> None:
        """Pretrains the backbone if the config asks for it, and computes its tokens; existing files are used again.

        Args:
            source: gets the backbone's weights and the tokens.
            on_disk: write tokens for other processes, instead of keeping them in memory.
        Raises:
            InputError: an image that does not decode, a damaged file.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / "lock"):  # another command may use the folder
            self._check_same(source)
            self._make(source, on_disk)

    def _check_same(self, source: Source) -> None:
        """Checks, on every machine, that data and weights file are those that the grid was started with."""
        chosen = source.config.backbone
        weights = None if chosen is None or chosen.file is None else hash_of(chosen.file)
        now = MadeOf(data=source.data.fingerprint, backbone_weights=weights)
        path = self.path / "made_of.json"
        if not path.is_file():
            atomic.write_text(path, now.model_dump_json(by_alias=True, indent=1) + "\n")
            return
        before = read_model(path, MadeOf, "restore it, or choose another --out").model_dump(by_alias=True)
        for name, value in now.model_dump(by_alias=True).items():
            if before[name] != value:
                told = f"the grid was started with other {name} ({before[name]}, now {value})"
                raise InputError(f"{told}; restore them, or choose another --out")

    def _make(self, source: Source, on_disk: bool) -> None:
        pretrained = source.config.backbone is not None and source.config.backbone.pretraining is not None
        checkpoints = Checkpoints(self.path / "pretraining", source.config.train.checkpoint_steps)
        known = self.backbone.is_file()
        if known:
            load_module(self.backbone, _required(source), AGAIN)
        else:
            source.pretrain(checkpoints)
        if source.cached and (on_disk or (self.tokens / "manifest.json").is_file()):
            self._extract(source)
            self._map(source, "full")
        elif source.cached:
            source.read()
        if source.backbone is not None and not known and (pretrained or on_disk):
            baseline = source.pretrained_metrics()
            if baseline:
                atomic.write_text(self.path / BASELINE, json.dumps(baseline, indent=1) + "\n")
            save_module(self.backbone, source.backbone)  # last: from here on the training is not repeated
        checkpoints.remove()

    def _extract(self, source: Source) -> None:
        size = source.config.evaluate.batch_size
        precision = source.context.accelerator.mixed_precision
        settings = Extraction(
            rows=size * max(1, ROWS // size),  # whole batches, as in memory, so that sums round equally
            made_with={"weights_sha256": state_hash(_required(source)), "precision": precision},
        )
        extract(source.backbone, source.data, self.tokens, settings, source.context)

    def _map(self, source: Source, verify: str) -> None:
        config = TokensConfig.model_validate({"name": "tokens", "root": self.tokens, "verify": verify})
        read = config.load()
        source.train, source.test = read.train, read.test

    def open(self, config: RunConfig, progress: Progress = silent, verify: str = "size") -> Source:
        """Opens the source that another process made here.

        Raises:
            InputError: missing data, a damaged file.
        """
        chosen, bare = config.backbone, config
        if chosen is not None and self.backbone.is_file():
            bare = config.model_copy(update={"backbone": chosen.without_weights()})
        source = open_source(bare, Context.of(config.train.precision, progress=progress)).of(config)
        self._check_same(source)
        if self.backbone.is_file():
            load_module(self.backbone, _required(source), AGAIN)
        if source.cached:
            self._map(source, verify)
        return source

    def keep_bank(self, path: Path, bank: Bank) -> None:
        """Writes a bank, unless the file exists."""
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            bank.save(path)


def _required(source: Source) -> Any:
    assert source.backbone is not None
    return source.backbone


@lru_cache(maxsize=1)  # one at a time: images may fill the memory
def opened(folder: Path, config_json: str) -> Source:
    """`SharedFolder.open`, kept for the next run of this process."""
    return SharedFolder(folder).open(RunConfig.model_validate_json(config_json))
