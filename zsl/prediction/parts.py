"""The parts of a model, made from its facts: a backbone and a readout, without their weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from embeddings.io.errors import InputError
from embeddings.io.reading import parse_model
from zsl.backbones.base import BaseBackbone
from zsl.backbones.config import AnyBackboneConfig, BackboneSection
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
    config = backbone_config(facts.backbone, f"the backbone of {place}")
    backbone = (config if weights else config.without_weights()).make()
    backbone.freeze()
    return backbone


@dataclass(frozen=True)
class _Backbone:
    backbone: BackboneSection


def backbone_config(values: Mapping[str, Any], place: str) -> AnyBackboneConfig:
    """The config of a backbone, from the values of its keys.

    Raises:
        InputError: values that are damaged; the message begins with `place`.
    """
    return parse_model(json.dumps({"backbone": dict(values)}), _Backbone, place, REMEDY).backbone


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
        return own.lead(facts.leading)
    if facts.decoder is None:
        kind = facts.own.get("readout")
        raise InputError(f"{place} has a readout of your own ({kind}): zsl.load({str(place)!r}, readout=READOUT)")
    config = parse_model(json.dumps({"decoder": facts.decoder}), _Readout, f"the readout of {place}", REMEDY).decoder
    return make_readout(config, facts.channels, facts.embed_dim, len(facts.seen), facts.leading)


def is_exclusive(loss: str) -> bool:
    """Whether a model that was trained with a loss gives log-probabilities over a vocabulary."""
    return LOSSES[loss].exclusive
