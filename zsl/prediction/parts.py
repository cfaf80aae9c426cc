"""The parts of a model, made from its facts: a backbone and a readout, without their weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from embeddings.io.errors import InputError
from embeddings.io.reading import parse_model
from zsl.backbones.backbone import Backbone
from zsl.backbones.base import BaseBackbone
from zsl.backbones.config import BackboneConfig
from zsl.backbones.own import OwnBackbone
from zsl.losses.table import LOSSES
from zsl.prediction.facts import Facts
from zsl.readouts.readout import Readout
from zsl.readouts.table import DecoderConfig, make_readout

REMEDY = "restore its folder"


def made_backbone(facts: Facts, own: nn.Module | None, place: Path, weights: bool = False) -> BaseBackbone:
    """A model's backbone.

    Args:
        facts: of the model.
        own: the user's module; None makes the backbone of the facts.
        place: the model's folder, for messages.
        weights: whether it is made with the weights that its config names; otherwise they are loaded afterwards.
    Raises:
        InputError: a module was needed and not given; a damaged config; weights that cannot be fetched.
    """
    if own is not None:
        return own if isinstance(own, BaseBackbone) else OwnBackbone(own)
    if facts.backbone is None:
        kind = facts.own.get("backbone")
        told = f"has a backbone of your own ({kind})" if kind else "was trained on tokens, and has no backbone"
        raise InputError(f"{place} {told}; in Python: zsl.load({str(place)!r}, backbone=MODULE)")
    values: dict[str, Any] = dict(facts.backbone)
    if not weights:
        values |= {"weights": None, "pretrained": False, "pretrain": None}
    backbone = Backbone(parse_model(json.dumps(values), BackboneConfig, f"the backbone of {place}", REMEDY))
    backbone.freeze()
    return backbone


@dataclass(frozen=True)
class _Readout:
    decoder: DecoderConfig


def made_readout(facts: Facts, own: Readout | None, place: Path) -> Readout:
    """A model's readout.

    Args:
        facts, place: same as for `made_backbone`.
        own: the user's readout; None makes that of the facts.
    Raises:
        InputError: a readout was needed and not given; a damaged config.
    """
    if own is not None:
        return own
    if facts.decoder is None:
        kind = facts.own.get("readout")
        raise InputError(f"{place} has a readout of your own ({kind}): zsl.load({str(place)!r}, readout=READOUT)")
    config = parse_model(json.dumps({"decoder": facts.decoder}), _Readout, f"the readout of {place}", REMEDY).decoder
    return make_readout(config, facts.channels, facts.embed_dim, len(facts.seen))


def is_exclusive(loss: str) -> bool:
    """Whether a model that was trained with a loss gives log-probabilities over a vocabulary."""
    return LOSSES[loss].exclusive
