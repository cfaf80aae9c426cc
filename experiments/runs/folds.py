"""Models that a trained run needs beside itself: each is trained without some seen labels, which stand for unseen ones.

They are measured on the run's validation images, so nothing that is chosen with them has seen the test set.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.io.errors import InputError
from experiments.config.reading import changed
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.layouts.features import Chosen
from zsl.data.targets import Targets
from zsl.evaluation.measures import Scores
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig
from zsl.runs.folder import begin_run, pretrain_backbone, train_run
from zsl.runs.held_out import hold_out, without_test
from zsl.runs.records import read_finished
from zsl.runs.saved import read_config, trained_bank, trained_model
from zsl.runs.source import Source

FOLDS = 2  # the fewest with which each choice can be checked on another model
FOLDER = "folds"  # in the run's folder, until the choice is made


@dataclass(frozen=True)
class HeldOut:
    """Scores of a model that was trained without some seen labels, on the run's validation images.

    Args:
        scores: (image, label) of the labels that it was trained on, then of those left out.
        targets: (image, label) in the same order.
        kept, left_out: names of the two groups of labels.
    """

    scores: Scores
    targets: Targets
    kept: tuple[str, ...]
    left_out: tuple[str, ...]


def held_out_scores(folder: Path, own: Source, share: float | None) -> list[HeldOut]:
    """Trains `FOLDS` models without some seen labels, and scores the run's validation images with each.

    They have the run's config, with what the run chose on validation. No label is left out by two of them. Models that
    an earlier, stopped call trained are read again.

    Args:
        folder: of a trained run.
        own: its source.
        share: of the seen labels, those that each model treats as unseen, a half at most; by default the share of
            unseen labels among all labels.
    Returns:
        one entry a model.
    Raises:
        InputError: too few labels or images.
    """
    config = changed(read_config(folder), read_finished(folder).chosen, str(folder / "run.json"))
    config = config.model_copy(update={"evaluate": own.config.evaluate})
    drawn = draw_labels(own.data, share)
    sources = [played_source(own, config, columns) for columns in drawn]  # all are checked before one is trained
    found = []
    for number, (source, columns) in enumerate(zip(sources, drawn, strict=True), 1):
        work = folder / FOLDER / f"{len(columns)}-labels-{number}"
        bank = load_bank(config.bank, source.data, source.context.progress)
        begin_run(source, bank, work, resume=True)
        pretrain_backbone(source, work)
        task = f"without {len(columns)} seen labels, {number}/{len(sources)}"
        if not (work / "run.json").is_file():
            train_run(source, bank, work, task)
        scores = source.scores(trained_model(work, source, bank), bank, f"{task}, validation")["gzsl"]
        found.append(HeldOut(scores, source.data.test.targets, source.data.seen, source.data.unseen))
    return found


def remove_folds(folder: Path) -> None:
    """Removes the models of `held_out_scores` from a run's folder; on the main process, when the choice is made."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def validation_scores(folder: Path, own: Source) -> tuple[Mapping[str, Scores], Targets]:
    """Scores of the run's own model on its validation images.

    Args:
        folder: of a trained run.
        own: its source.
    Returns:
        (image, label) by protocol; and the targets over the seen labels.
    """
    bank = trained_bank(folder)
    held = own.split(own.data.train)[1]
    source = replace(own, data=replace(own.data, test=Part(Chosen(own.data.train.inputs, held.rows), held.targets)))
    if own.cached:
        vars(source)["test"] = Part(Chosen(own.train.inputs, held.rows), held.targets)
    return source.scores(trained_model(folder, source, bank), bank, "validation"), held.targets


def draw_labels(data: MultiLabelData, share: float | None) -> list[np.ndarray]:
    """For each model, the columns of the seen labels that it treats as unseen; no label is drawn twice.

    Raises:
        InputError: as `held_out_scores`.
    """
    if len(data.seen) < FOLDS:
        raise InputError(
            f"{data.name} has {len(data.seen)} seen label, too few for {FOLDS} models without some of them"
        )
    wanted = len(data.unseen) / len(data.seen + data.unseen) if share is None else share
    count = min(round(wanted * len(data.seen)), len(data.seen) // FOLDS)
    if count < 1:
        raise InputError(
            f"a share of {wanted:.3g} makes 0 of {len(data.seen)} seen labels unseen; give another --share"
        )
    order = np.random.default_rng(0).permutation(len(data.seen))
    return [np.sort(order[count * fold : count * (fold + 1)]) for fold in range(FOLDS)]


def played_source(own: Source, config: RunConfig, drawn: np.ndarray) -> Source:
    """What a model without the drawn labels is trained and tested on; tokens of the run's frozen backbone are shared.

    Raises:
        InputError: as `held_out_scores`.
    """
    data = _played(own.data, config, drawn)
    pretrained = config.backbone is not None and config.backbone.pretraining is not None
    if not own.cached or pretrained:  # the backbone has seen those labels
        return Source(config, data, own.context)
    source = replace(own, config=config, data=data)
    tokens = _played(replace(own.data, train=own.train), config, drawn)
    vars(source).update(train=tokens.train, test=tokens.test, channels=own.channels)
    return source


def _played(data: MultiLabelData, config: RunConfig, drawn: np.ndarray) -> MultiLabelData:
    return hold_out(without_test(data, config.train.validation), drawn)
