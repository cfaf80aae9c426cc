"""The bias on seen logits, chosen on seen data alone: some seen labels play unseen ones to a model of their own."""

import json
import shutil
from pathlib import Path

import numpy as np

from embeddings import InputError, atomic
from embeddings.progress import Progress
from experiments.config import RunConfig, run_config
from experiments.records import read_finished
from experiments.run import begin_run, evaluate_run, pretrain_backbone, train_run
from experiments.source import Source, load_bank, open_source
from zsl.acceleration import make_accelerator
from zsl.data import MultiLabelData, Part, Samples
from zsl.data.features import Chosen
from zsl.generalisation import TradeOff
from zsl.protocol import hash_of_names


def calibrate_run(folder: Path, k: int, share: float | None, progress: Progress) -> TradeOff:
    """Chooses the shift that `zsl evaluate` then gives calibrated figures at, and writes `calibration.json`.

    A model of the run's config is trained without the annotations of some seen labels, drawn at random, and ranks all
    seen labels on the validation images; the shift with the best harmonic mean of the recalls at K is taken. The test
    set is not looked at (Chao et al. 2016 choose it by cross-validation over classes).

    Args:
        folder: of a trained run; a calibration that was stopped is gone on with.
        k: labels taken per image.
        share: of the seen labels that play unseen ones; by default that of unseen labels among all.
        progress: told of the training.
    Returns:
        the trade-off on the validation images.
    Raises:
        InputError: not a whole run; a closed set; too few labels or images for the purpose.
    """
    read_finished(folder)
    config = run_config(folder, [f"evaluate.k=[{k}]", "evaluate.bootstrap=0"])
    accelerator = make_accelerator(config.train.precision)
    opened = open_source(config, accelerator, progress)
    played = played_data(opened, share)
    source = Source(config, played, accelerator, progress)
    bank = load_bank(config.bank, played, progress)
    work = folder / "calibration"
    begin_run(config, source, bank, work, resume=True)
    pretrain_backbone(config, source, work)
    if not (work / "run.json").is_file():
        train_run(config, source, bank, work, "calibration")
    curve = evaluate_run(work, source, task="validation").evaluation.trade_offs[k]
    if accelerator.is_main_process:
        _save(curve, config, played, folder)
        shutil.rmtree(work)
    accelerator.wait_for_everyone()
    return curve


def played_data(opened: Source, share: float | None) -> MultiLabelData:
    """The training images as a zero-shot dataset of their own: some seen labels are its unseen ones.

    Its test images are the validation images of the run; training images without a label that is left are left out.

    Raises:
        InputError: as `calibrate_run`.
    """
    data = opened.data
    if not data.unseen:
        raise InputError(f"{data.name} has no unseen labels, so there is nothing to calibrate")
    share = len(data.unseen) / len(data.seen + data.unseen) if share is None else share
    count = round(share * len(data.seen))
    if not 1 <= count < len(data.seen):
        raise InputError(f"a share of {share:.3g} makes {count} of {len(data.seen)} seen labels unseen; give another")
    drawn = np.sort(np.random.default_rng(0).permutation(len(data.seen))[:count])
    columns = np.concatenate([np.setdiff1d(np.arange(len(data.seen)), drawn), drawn])
    seen, unseen = (tuple(data.seen[c] for c in part) for part in np.split(columns, [-count]))
    train, held = opened.split(data.train)
    kept = train.targets.columns(columns[:-count])
    rows = train.rows[kept.image_counts() > 0]
    if not len(rows):
        raise InputError(f"no training image of {data.name} is left without those {count} labels; lower --share")
    parts = {"train": (rows, columns[:-count]), "test": (held.rows, columns)}
    made = {
        name: Part(Chosen(data.train.inputs, chosen), Samples(data.train, chosen).targets.columns(wanted))
        for name, (chosen, wanted) in parts.items()
    }
    return MultiLabelData(
        name=f"{data.name}, {count} seen labels left out, validation images",
        seen=seen,
        unseen=unseen,
        train=made["train"],
        test=made["test"],
        kind=data.kind,
        fingerprint=f"{data.fingerprint} without {hash_of_names(unseen)}",
    )


def _save(curve: TradeOff, config: RunConfig, played: MultiLabelData, folder: Path) -> None:
    step, shift = int(np.argmax(curve.harmonic)), curve.best_shift()
    content = {
        "shift": shift,
        "k": curve.k,
        "seed": config.train.seed,
        "played_unseen": played.unseen,
        "validation_images": len(played.test.targets),
        "recall_seen": float(curve.seen_recall[step]),
        "recall_unseen": float(curve.unseen_recall[step]),
        "recall_harmonic": float(curve.harmonic[step]),
        "recall_harmonic_without_shift": float(curve.harmonic[curve.step(0)]),
        "area": curve.area,
    }
    atomic.write_text(folder / "calibration.json", json.dumps(content, indent=1) + "\n")
