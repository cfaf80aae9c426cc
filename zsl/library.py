"""The two main calls of the library: `fit` trains a model, `evaluate` measures one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from embeddings.io.spelling import require
from zsl.acceleration import make_accelerator
from zsl.arguments import check_kinds, check_own_readout
from zsl.backbones.base import BaseBackbone
from zsl.backbones.config import AnyBackboneConfig
from zsl.backbones.own import OwnBackbone
from zsl.context import Context
from zsl.data.dataset import MultiLabelData
from zsl.data.dataset_config import SquareConfig
from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet
from zsl.model import ZeroShotModel
from zsl.prediction.model import TrainedModel
from zsl.prediction.trained_run import facts_of
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.readout import Readout, ReadoutConfig
from zsl.readouts.table import check_readout
from zsl.runs.bank_config import BankConfig
from zsl.runs.claims import claimed
from zsl.runs.config import EvaluateConfig, RunConfig, resolved, validated
from zsl.runs.folder import PRACTICAL, begin_run, carry_out, check_same_config
from zsl.runs.pairs import check_aligned
from zsl.runs.reader import reader_of
from zsl.runs.records import BEGUN, FINISHED
from zsl.runs.saved import BANK, CONFIG, OWN, trained_model
from zsl.runs.source import Source, check_usable
from zsl.runs.training import readout_of, train_model
from zsl.scoring import Asking, score_test
from zsl.training.augmentation import AugmentConfig
from zsl.training.config import TrainConfig


def fit(
    data: MultiLabelData,
    bank: Bank,
    *,
    backbone: AnyBackboneConfig | nn.Module | None = None,
    readout: ReadoutConfig | Readout = MlDecoderConfig(),  # noqa: B008 - frozen
    train: TrainConfig = TrainConfig(),  # noqa: B008 - frozen
    augment: AugmentConfig = AugmentConfig(),  # noqa: B008 - frozen
    out: Path | str | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> TrainedModel:
    """Trains a model on the seen labels of a dataset; the test part is not looked at.

    The share `train.validation` of the training images picks the best epoch; the model has the weights of that epoch.

    Args:
        data: from `load_data`, or made in Python.
        bank: a word vector for each of `data.names`.
        backbone: images to tokens: a timm model's config, or a module of your own, which `OwnBackbone` describes. None
            for data of tokens.
        readout: tokens and word vectors to logits: a config, or a module of your own, which is trained in place.
        train: epochs, learning rate, loss and seed.
        augment: of training images, if the backbone's tokens are not cached.
        out: a folder to make for the run, locked until training ends; it has the files of `zsl train`. None: no files.
        resume: continue the run in `out`, started with the same arguments; a finished run is only loaded.
        progress: called with (task, done, total, note="") during training.
    Returns:
        the model, from the dataset's inputs to logits, on the device it was trained on.
    Raises:
        InputError: wrong arguments, a name without a word vector, an unreadable image, a folder that is in use.
        TrainingError: the loss does not stay finite.
    """
    given = {"data": data, "bank": bank, "backbone": backbone, "readout": readout, "train": train, "augment": augment}
    check_kinds("zsl.fit", {**given, "out": out})
    if resume and out is None:
        raise InputError("zsl.fit: resume continues the run in a folder; give out")
    folder = None if out is None else Path(out)
    own = _own_objects(data, backbone, readout)
    config = _config(data, backbone, readout, {"train": train, "augment": augment}, folder)
    check_usable(data)
    require(data.names, bank.labels, "the bank", "build it from data.names")
    if "backbone" not in own and not ("data" in own and backbone is None):  # the user answers for tokens of his own
        check_aligned(config, bank)
    with _continued(config, own, folder, resume) as new:
        context = Context(make_accelerator(train.precision, train.trackers, folder), progress=progress)
        source = _source(config, data, backbone, readout, own, context)
        if isinstance(readout, ReadoutConfig):
            check_readout(readout, 1, bank.embed_dim, len(data.seen), context.device)
        if isinstance(readout, Readout) or readout.aligned:
            made = readout_of(source, bank)
            check_own_readout(made, source.channels, torch.from_numpy(bank.select(data.seen)))
        name = data.name if folder is None else folder.name
        return _whole(_trained(source, bank, folder, resume, new), source, bank, name)


def evaluate(
    model: ZeroShotModel,
    data: MultiLabelData,
    bank: Bank,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 - frozen
    context: Context | None = None,
) -> Evaluation:
    """Measures a model on the test part of a dataset, under every protocol that the dataset has.

    Args:
        model: from `fit`.
        data: its seen labels must be those of training.
        bank: a word vector for each of `data.names`; of the width that the model was trained with.
        config: K of F1@K, replicates of the bootstrap, images of a batch, the company that labels are asked in, and
            how scores are normalised.
        context: device, precision, workers and progress; by default the precision of training and no worker processes.
    Returns:
        `metrics` by name, such as "zsl/map", as fractions, with `intervals` of 95 %.
    Raises:
        InputError: a name without a word vector, other seen labels, an image that cannot be read, a company that the
            readout does not have.
    """
    given = {"model": model, "data": data, "bank": bank, "config": config, "context": context}
    check_kinds("zsl.evaluate", given)
    facts = model.facts if isinstance(model, TrainedModel) else None
    if facts is not None and data.seen != facts.seen:
        raise InputError(
            f"the seen labels of {data.name} are not those that the model was trained on; zsl.score takes any labels"
        )
    require(data.names, bank.labels, "the bank", "build it from data.names")
    if facts is not None and facts.embed_dim != bank.embed_dim:
        told = f"the bank has vectors of size {bank.embed_dim}, but the model was trained with size {facts.embed_dim}"
        raise InputError(f"{told}; build it with the encoder of training")
    check_usable(data)
    if context is None:
        context = Context.of("auto" if facts is None else facts.precision, config.batch_size)
    if facts is not None and facts.square is not None and data.config is not None:
        data = data.read_as(facts.square)
    asked = Asking(torch.from_numpy(bank.select(data.seen)), config.company, config.normalisation)
    scores = score_test(model, data, bank, context, asked=asked)
    return measure(scores, TestSet.of(data), config.k, config.bootstrap, form=config.form)


def _own_objects(
    data: MultiLabelData, backbone: AnyBackboneConfig | nn.Module | None, readout: ReadoutConfig | Readout
) -> dict[str, str]:
    """The objects that no config describes, by the name of the argument."""
    found = {} if data.config is not None else {"data": data.name}
    given = {"backbone": backbone, "readout": readout}
    return found | {name: _kind(module) for name, module in given.items() if isinstance(module, nn.Module)}


def _kind(module: nn.Module) -> str:
    kind = type(module.model if isinstance(module, OwnBackbone) else module)
    return f"{kind.__module__}.{kind.__qualname__}"


def _config(
    data: MultiLabelData,
    backbone: AnyBackboneConfig | nn.Module | None,
    readout: ReadoutConfig | Readout,
    sections: Mapping[str, Any],
    folder: Path | None,
) -> RunConfig:
    """The config of the run. The sections of the user's own objects keep their defaults; the backbone's says its mode.

    Raises:
        InputError: values that do not fit together.
    """
    if (backbone is None) == (data.kind == "images"):
        need = "give a backbone" if backbone is None else "leave the backbone out"
        raise InputError(f"{data.name} holds {data.kind}; {need}")
    values = dict(sections)
    if data.config is not None:
        values["data"] = data.config
    if folder is not None:
        values["bank"] = BankConfig(file=folder.absolute() / BANK)
    if isinstance(readout, ReadoutConfig):
        values["decoder"] = readout
    if isinstance(backbone, AnyBackboneConfig):
        values["backbone"] = backbone
        return resolved(validated(values, "zsl.fit"))
    if backbone is not None:
        part = _as_backbone(backbone)
        plain = {"mean": (0, 0, 0), "std": (1, 1, 1)}  # not used, but without them timm is asked for them
        values["backbone"] = {"name": _kind(backbone), "mode": part.mode, "cached": part.cached, **plain}
    return validated(values, "zsl.fit")


def _source(
    config: RunConfig,
    data: MultiLabelData,
    backbone: AnyBackboneConfig | nn.Module | None,
    readout: ReadoutConfig | Readout,
    own: Mapping[str, str],
    context: Context,
) -> Source:
    """What the run trains on, with the objects that its config does not describe."""
    if isinstance(backbone, AnyBackboneConfig) and isinstance(config.data, SquareConfig) and "data" not in own:
        data = data.read_as(config.data.square())
    own_backbone = _as_backbone(backbone) if isinstance(backbone, nn.Module) else None
    own_readout = readout if isinstance(readout, Readout) else None
    return Source(config, data, context, own_backbone, own_readout, own)


def _as_backbone(module: nn.Module) -> BaseBackbone:
    return module if isinstance(module, BaseBackbone) else OwnBackbone(module)


@contextmanager
def _continued(config: RunConfig, own: Mapping[str, str], folder: Path | None, resume: bool) -> Iterator[bool]:
    """Claims an existing folder, and checks that its run is to be continued and that the arguments are the same.

    A finished run is not claimed, because it is only read. Yields whether the folder is new and must be made.
    """
    if folder is None or not folder.exists():
        yield True
        return
    finished = (folder / FINISHED).is_file()
    if not resume:
        # claiming raises its own error if another command is using the folder
        with claimed(folder) if (folder / BEGUN).is_file() and not finished else nullcontext():
            raise InputError(f"{folder} exists; give zsl.fit another out, or resume=True to continue the run in it")
    with nullcontext() if finished else claimed(folder):
        if any((folder / name).is_file() for name in (CONFIG, OWN)):
            check_same_config(config, folder, own, (*PRACTICAL, "bank."))  # `begin_run` compares the bank
        yield False


def _trained(source: Source, bank: Bank, folder: Path | None, resume: bool, new: bool) -> ZeroShotModel:
    """The model for the source's inputs: trained here, or loaded if its run is finished."""
    if folder is None:
        source.pretrain()
        return train_model(source, bank)[0]
    if not new and (folder / FINISHED).is_file():
        begin_run(source, bank, folder, resume=True)  # checks data and bank
        return trained_model(folder, source, bank)
    source.context.accelerator.wait_for_everyone()  # each has looked whether the folder is there
    with claimed(folder, make=True) if new else nullcontext():
        return carry_out(source, bank, folder, resume)[0]


def _whole(model: ZeroShotModel, source: Source, bank: Bank, name: str) -> TrainedModel:
    """The model for the dataset's own inputs: if it was trained on cached tokens of images, with the backbone."""
    backbone, data, train = source.backbone if source.cached else model.backbone, source.data, source.config.train
    facts = facts_of(
        name,
        source.config,
        dict(source.own),
        reader_of(source, backbone),
        data=data.name,
        fingerprint=data.fingerprint,
        seen=data.seen,
        channels=source.channels,
        embed_dim=bank.embed_dim,
        training=train.model_dump(mode="json"),
    )
    whole = TrainedModel(backbone, model.readout, model.softmax, facts, bank)
    return whole.to(source.context.device).eval()
