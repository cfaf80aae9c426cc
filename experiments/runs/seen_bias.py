"""The bias on seen logits, chosen on seen data alone: extra models are trained to which some seen labels are unseen."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.config.reading import changed
from experiments.runs.measurement import open_run
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.layouts.features import Chosen
from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.seen_bias import Choice, Fold, choose
from zsl.evaluation.stamp import hash_of_names
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig
from zsl.runs.folder import begin_run, pretrain_backbone, train_run
from zsl.runs.records import read_finished
from zsl.runs.saved import read_config, trained_bank, trained_model
from zsl.runs.source import Source

FOLDS = 2  # the fewest with which each choice can be checked on another model
FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """What was chosen for a run; `shift` is None if no bias helps. `played` are the left-out labels of each model."""

    k: int
    shift: float | None
    choice: Choice
    played: tuple[tuple[str, ...], ...]


def calibrate_run(folder: Path, k: int, share: float | None, progress: Progress) -> Calibration:
    """Chooses the shift for the calibrated figures of `zsl evaluate`, and writes `calibration.json`.

    Two models are trained with the run's config, and with what the run chose on validation. Each is trained without the
    annotations of some seen labels, and the two leave out different ones. Each ranks all seen labels on the validation
    images. What is chosen is how readily unseen labels are taken (`zsl.evaluation.seen_bias`): the readiness with the
    best harmonic mean of the recalls at K. The shift is the one at which the run's own model takes its unseen labels as
    readily. If a model does not gain by the other model's choice, no file is written, and an earlier one is removed.
    The test set is not used (Chao et al. 2016 choose the shift by cross-validation over classes).

    Args:
        folder: of a trained run; a calibration that was stopped there is continued.
        k: labels taken per image.
        share: of the seen labels, those that each model treats as unseen, a half at most; by default the share of
            unseen labels among all labels.
        progress: called as training proceeds.
    Raises:
        InputError: not a finished run; a closed set; too few labels or images.
    """
    chosen = read_finished(folder).chosen
    own = open_run(folder, [], progress)
    config = changed(read_config(folder), chosen, str(folder / "run.json"))
    if k > len(own.data.seen):  # the two models rank these
        raise InputError(f"--k {k}: {own.data.name} has {len(own.data.seen)} seen labels; give a smaller --k")
    drawn = draw_labels(own.data, share)
    sources = [played_source(own, config, columns) for columns in drawn]
    folds = []
    for number, source in enumerate(sources, 1):
        work = folder / "calibration" / str(number)
        folds.append(_fold(config, source, work, k, f"calibration {number}/{len(sources)}"))
    choice = choose(folds)
    shift = _shift_of_run(folder, own, k, choice.readiness) if choice.helps else None
    found = Calibration(k, shift, choice, tuple(source.data.unseen for source in sources))
    if own.context.is_main:
        _save(found, config, folder)
        shutil.rmtree(folder / "calibration")
    own.context.accelerator.wait_for_everyone()
    return found


def draw_labels(data: MultiLabelData, share: float | None) -> list[np.ndarray]:
    """For each model, the columns of the seen labels that it treats as unseen; no label is drawn twice.

    Raises:
        InputError: as `calibrate_run`.
    """
    if not data.unseen:
        raise InputError(f"{data.name} has no unseen labels, so there is nothing to calibrate")
    wanted = len(data.unseen) / len(data.seen + data.unseen) if share is None else share
    count = min(round(wanted * len(data.seen)), len(data.seen) // FOLDS)
    if count < 1:
        raise InputError(f"a share of {wanted:.3g} makes 0 of {len(data.seen)} seen labels unseen; give another")
    order = np.random.default_rng(0).permutation(len(data.seen))
    return [np.sort(order[count * fold : count * (fold + 1)]) for fold in range(FOLDS)]


def played_source(own: Source, config: RunConfig, drawn: np.ndarray) -> Source:
    """What a model without the drawn labels is trained and tested on; tokens of the run's frozen backbone are shared.

    Raises:
        InputError: as `calibrate_run`.
    """
    data = played_data(own, own.data.train, drawn)
    pretrained = config.backbone is not None and config.backbone.pretrain is not None
    if not own.cached or pretrained:  # the backbone has seen those labels
        return Source(config, data, own.context)
    source = replace(own, config=config, data=data)
    tokens = played_data(own, own.train, drawn)
    vars(source).update(train=tokens.train, test=tokens.test, channels=own.channels)
    return source


def played_data(own: Source, part: Part, drawn: np.ndarray) -> MultiLabelData:
    """The training part (images or tokens) as a zero-shot dataset, in which the drawn seen labels are unseen.

    Its test images are the validation images of the run; training images that keep no label are left out.

    Raises:
        InputError: as `calibrate_run`.
    """
    data, count = own.data, len(drawn)
    columns = np.concatenate([np.setdiff1d(np.arange(len(data.seen)), drawn), drawn])
    seen, unseen = (tuple(data.seen[c] for c in chosen) for chosen in np.split(columns, [-count]))
    train, held = own.split(part)
    rows = train.rows[train.targets.columns(columns[:-count]).image_counts() > 0]
    if not len(rows):
        raise InputError(f"without {count} seen labels, {data.name} has no training image; lower --share")
    shown = held.targets.columns(columns).label_counts()
    if not (shown[:-count].any() and shown[-count:].any()):
        told = "left out" if shown[:-count].any() else "kept"
        remedy = "raise --share, or train with a larger train.validation"
        raise InputError(f"no validation image of {data.name} shows one of the seen labels that are {told}; {remedy}")
    kept, tested = _chosen(part, rows), _chosen(part, held.rows)
    return MultiLabelData(
        name=f"{data.name}, {count} seen labels left out, validation images",
        seen=seen,
        unseen=unseen,
        train=Part(kept.inputs, kept.targets.columns(columns[:-count])),
        test=Part(tested.inputs, tested.targets.columns(columns)),
        kind=data.kind,
        fingerprint=f"{data.fingerprint} without {hash_of_names(unseen)}",
    )


def _fold(config: RunConfig, source: Source, work: Path, k: int, task: str) -> Fold:
    bank = load_bank(config.bank, source.data, source.context.progress)
    begin_run(source, bank, work, resume=True)
    pretrain_backbone(source, work)
    if not (work / "run.json").is_file():
        train_run(source, bank, work, task)
    scores = source.scores(trained_model(work, source, bank), bank, f"{task}, validation")["gzsl"]
    seen, unseen = len(source.data.seen), len(source.data.unseen)
    return Fold(trade_off(scores, source.data.test.targets.dense() > 0, seen, k), seen, unseen)


def _shift_of_run(folder: Path, own: Source, k: int, readiness: float) -> float:
    """The bias at which the run's model takes unseen labels with this readiness, on its validation images."""
    bank = trained_bank(folder)
    rows = own.split(own.data.train)[1].rows
    source = replace(own, data=replace(own.data, test=_chosen(own.data.train, rows)))
    if own.cached:
        vars(source)["test"] = _chosen(own.train, rows)
    scores = source.scores(trained_model(folder, source, bank), bank, "calibration, validation")["gzsl"]
    seen, unseen = len(own.data.seen), len(own.data.unseen)
    nothing = np.zeros(scores.shape, np.bool_)  # the annotations do not matter for which labels are taken
    return Fold(trade_off(scores, nothing, seen, k), seen, unseen).shift(readiness)


def _chosen(part: Part, rows: np.ndarray) -> Part:
    return Part(Chosen(part.inputs, rows), part.targets[rows])


def _save(found: Calibration, config: RunConfig, folder: Path) -> None:
    path, choice = folder / FILE, found.choice
    if found.shift is None:
        path.unlink(missing_ok=True)
        return
    content = {
        "shift": found.shift,
        "k": found.k,
        "seed": config.train.seed,
        "readiness": choice.readiness,
        "played_unseen": found.played,
        "recall_harmonic": choice.harmonic,
        "recall_harmonic_crossed": choice.crossed,
        "recall_harmonic_without_shift": choice.unbiased,
    }
    atomic.write_text(path, json.dumps(content, indent=1) + "\n")
