"""Checks of what `zsl.fit` and `zsl.evaluate` are given: one clear line instead of a wrong result or a deep error."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from zsl.backbones.config import AnyBackboneConfig
from zsl.context import Context
from zsl.data.dataset import MultiLabelData
from zsl.model import ZeroShotModel
from zsl.readouts.blend import BlendReadout
from zsl.readouts.readout import Readout, ReadoutConfig
from zsl.runs.config import EvaluateConfig
from zsl.training.augmentation import AugmentConfig
from zsl.training.config import TrainConfig

READOUT = "give an instance of a config, such as zsl.LabelAttentionConfig(), or of a Readout"
# by argument: its type, and how to get one
KINDS: dict[str, tuple[Any, str]] = {
    "data": (MultiLabelData, "give what zsl.load_data returns"),
    "bank": (Bank, "give what embeddings.build_bank returns, or Bank.load(FILE)"),
    "backbone": (AnyBackboneConfig | nn.Module | None, "give zsl.BackboneConfig(name=...), or a torch module"),
    "readout": (ReadoutConfig | Readout, READOUT),
    "train": (TrainConfig, "give zsl.TrainConfig(...)"),
    "augment": (AugmentConfig, "give zsl.AugmentConfig(...)"),
    "out": (str | Path | None, "give a folder's path"),
    "model": (ZeroShotModel, "give what zsl.fit returns"),
    "config": (EvaluateConfig, "give zsl.EvaluateConfig(...)"),
    "context": (Context | None, "give zsl.Context.of(...)"),
}


def check_kinds(function: str, given: Mapping[str, object]) -> None:
    """Checks that arguments are of their types.

    Args:
        function: that was called, for the message.
        given: values by the name of the argument, which is a key of `KINDS`.
    Raises:
        InputError: it names the argument, what it is and what to give.
    """
    for name, value in given.items():
        kind, remedy = KINDS[name]
        if not isinstance(value, kind):
            got = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
            raise InputError(f"{function}: {name} is {got}; {remedy}")


@torch.no_grad()
def check_own_readout(readout: Readout, channels: int, vectors: Tensor) -> None:
    """Tries a copy of a readout on zeros.

    Args:
        channels: size of the tokens that it will get.
        vectors: (label, embed) of the seen labels.
    Raises:
        InputError: it is a blend; it does not take such tokens and vectors, or does not return a logit for each label.
    """
    if isinstance(readout, BlendReadout):
        raise InputError("a blend is given as zsl.BlendConfig(...), which says how each member is trained")
    images, tokens, labels = 2, 3, len(vectors)
    place = f"{type(readout).__name__} with tokens {(images, tokens, channels)} and vectors {tuple(vectors.shape)}"
    tried = copy.deepcopy(readout).cpu()
    try:
        tried.remember(vectors)
        logits: object = tried.bind(vectors)(torch.zeros(images, tokens, channels))
    except (RuntimeError, TypeError, IndexError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        told = f"tokens are (batch, token, channel), of {channels} channels; vectors are (label, embed)"
        raise InputError(f"{place}: {reason}; {told}") from error
    if not isinstance(logits, Tensor) or logits.shape != (images, labels):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else f"an object of type {type(logits).__name__}"
        raise InputError(f"{place} returns {got}; return logits (batch, label), here {(images, labels)}")
