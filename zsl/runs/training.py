"""One model's training on a source, in memory."""

import copy
from dataclasses import replace

import torch
from accelerate.utils import set_seed

from embeddings.banks.bank import Bank
from zsl.backbones.base import BaseBackbone
from zsl.cost import image_cost
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.readouts.readout import Readout
from zsl.readouts.table import make_readout
from zsl.runs.source import Source
from zsl.training.fitting import fit_model
from zsl.training.history import History
from zsl.training.journal import UNWATCHED, Journal
from zsl.training.plan import Plan


def train_model(source: Source, bank: Bank, journal: Journal = UNWATCHED) -> tuple[ZeroShotModel, History]:
    """Trains, or solves, one model on the seen labels; the test part is not read.

    Args:
        source: config, data, and a backbone, which is already pretrained if the config asks for it.
        bank: word vectors of the seen labels.
        journal: the task's name, checkpoints, and a function to call after each epoch.
    Returns:
        the model for the source's inputs (tokens if the backbone's are cached, else images), and its history.
    Raises:
        InputError: sizes that do not fit, an input that cannot be read.
        TrainingError: the loss does not stay finite.
    """
    config, backbone = source.config, live_backbone(source)
    set_seed(config.train.seed)  # after the first read, which may draw random numbers
    model = ZeroShotModel(backbone, readout_of(source, bank))
    vectors = torch.from_numpy(bank.select(source.data.seen))
    if source.spares_training:  # of the training part, only the validation images are read
        fitted, part = ZeroShotModel(source.backbone, model.readout), source.data.train
    else:
        fitted, part = model, source.train
    seen = SeenSamples(*source.split(part, config.train.seed), vectors)
    return model, fit_model(fitted, plan_of(source), seen, source.context, journal)


def live_backbone(source: Source) -> BaseBackbone | None:
    """A copy of the source's backbone, for a model that reads images in every epoch; None if tokens are cached."""
    if source.backbone is None or source.cached:
        return None
    backbone = copy.deepcopy(source.backbone)  # every run starts from the same one
    if source.config.backbone is not None and source.config.backbone.mode == "frozen":
        backbone.freeze()
    else:
        backbone.leave_out_unused(source.image_size)
    return backbone


def readout_of(source: Source, bank: Bank) -> Readout:
    """The source's own readout, or that of its config, with initial weights.

    Raises:
        InputError: sizes that do not fit.
    """
    if source.readout is not None:
        return source.readout.lead(source.leading)
    seen = len(source.data.seen)
    return make_readout(source.config.decoder, source.channels, bank.embed_dim, seen, source.leading)


def plan_of(source: Source) -> Plan:
    """How the source's readout is trained: at several learning rates for some, unless a backbone is trained too."""
    config = source.config
    if source.readout is not None:
        return Plan(config.train, (config.train.lr,))
    plan = Plan.of(config.decoder, config.train)
    tuned = config.backbone is not None and config.backbone.mode == "tuned"
    return replace(plan, rates=(config.train.lr,)) if tuned else plan


def model_cost(model: ZeroShotModel, source: Source, bank: Bank) -> int:
    """Multiply-accumulates of one image, backbone included, with all labels as the vocabulary."""
    device = next(model.readout.parameters()).device
    sample = source.data.train.inputs.read([0]).to(device)
    vectors = torch.from_numpy(bank.select(source.data.seen + source.data.unseen)).to(device)
    backbone = model.backbone if model.backbone is not None else source.backbone
    return image_cost(backbone if backbone is None else backbone.to(device), model.readout, sample, vectors)
