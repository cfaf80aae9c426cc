"""The bias on seen logits, chosen on seen data alone: extra models are trained to which some seen labels are unseen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.runs.folds import HeldOut, held_out_scores, remove_folds, validation_scores
from experiments.runs.measurement import open_run
from zsl.evaluation.generalisation import trade_off
from zsl.evaluation.seen_bias import Choice, Fold, choose
from zsl.runs.config import RunConfig
from zsl.runs.source import Source

FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """What was chosen for a run; `shift` is None if no bias helps. `played` are the left-out labels of each model."""

    k: int
    shift: float | None
    choice: Choice
    played: tuple[tuple[str, ...], ...]


def calibrate_run(
    folder: Path, k: int, share: float | None, progress: Progress, settings: Sequence[str] = ()
) -> Calibration:
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
        settings: `section.key=value` of data and evaluation, over those of the run.
    Raises:
        InputError: not a finished run; a closed set; too few labels or images.
    """
    own = open_run(folder, list(settings), progress)
    if not own.data.unseen:
        raise InputError(f"{own.data.name} has no unseen labels, so there is nothing to calibrate")
    if k > len(own.data.seen):  # the two models rank these
        raise InputError(f"--k {k}: {own.data.name} has {len(own.data.seen)} seen labels; give a smaller --k")
    held = held_out_scores(folder, own, share)
    choice = choose([_fold(one, k) for one in held])
    shift = _shift_of_run(folder, own, k, choice.readiness) if choice.helps else None
    found = Calibration(k, shift, choice, tuple(one.left_out for one in held))
    if own.context.is_main:
        _save(found, own.config, folder)
        remove_folds(folder)
    own.context.accelerator.wait_for_everyone()
    return found


def _fold(held: HeldOut, k: int) -> Fold:
    curve = trade_off(held.scores, held.targets.dense() > 0, len(held.kept), k)
    return Fold(curve, len(held.kept), len(held.left_out))


def _shift_of_run(folder: Path, own: Source, k: int, readiness: float) -> float:
    """The bias at which the run's model takes unseen labels with this readiness, on its validation images."""
    scores = validation_scores(folder, own)[0]["gzsl"]
    seen, unseen = len(own.data.seen), len(own.data.unseen)
    nothing = np.zeros(scores.shape, np.bool_)  # the annotations do not matter for which labels are taken
    return Fold(trade_off(scores, nothing, seen, k), seen, unseen).shift(readiness)


def _save(found: Calibration, config: RunConfig, folder: Path) -> None:
    path, choice = folder / FILE, found.choice
    if found.shift is None:
        path.unlink(missing_ok=True)
        return
    content = {
        "shift": found.shift,
        **config.evaluate.form._asdict(),
        "k": found.k,
        "seed": config.train.seed,
        "readiness": choice.readiness,
        "played_unseen": found.played,
        "recall_harmonic": choice.harmonic,
        "recall_harmonic_crossed": choice.crossed,
        "recall_harmonic_without_shift": choice.unbiased,
    }
    atomic.write_text(path, json.dumps(content, indent=1) + "\n")
