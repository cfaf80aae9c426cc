"""One run: training, test, and the folder that it leaves."""

import copy
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accelerate.utils import set_seed

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from embeddings.io.reading import read_model
from embeddings.io.settings import flat
from embeddings.io.spelling import require
from experiments.config.reading import run_config
from experiments.config.run_config import RunConfig
from experiments.output.files import make_folder
from experiments.output.plots import save_history_plot
from experiments.runs.records import BEGUN, Begun, Calibrated, Finished, read_begun, read_finished, write_record
from experiments.runs.result import Result, save_metrics
from experiments.runs.samples import save_samples
from experiments.runs.source import Source, open_source
from zsl.backbones.backbone import weights_file
from zsl.context import Context
from zsl.cost import image_cost
from zsl.data.loading import SeenSamples
from zsl.data.tokens.files import hash_of
from zsl.evaluation.measures import measure
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet
from zsl.losses.table import LOSSES
from zsl.model import ZeroShotModel
from zsl.readouts.readout import Readout
from zsl.readouts.table import make_readout
from zsl.tensor_file import load_module, read_tensors, save_module
from zsl.training.checkpoint import Checkpoints
from zsl.training.history import History
from zsl.training.journal import Journal
from zsl.training.rates import train_at_best_rate
from zsl.training.solving import solve

READOUT, BACKBONE = "readout.safetensors", "backbone.safetensors"
AGAIN = "train again"


def make_decoder(config: RunConfig, channels: int, bank: Bank, num_labels: int) -> Readout:
    """The readout of a config for a bank's width and a number of seen labels.

    Raises:
        InputError: sizes that do not fit.
    """
    return make_readout(config.decoder, channels, bank.embed_dim, num_labels)


# keys that change how a run goes, not what comes out
PRACTICAL = ("train.workers", "train.trackers", "train.checkpoint_steps")


def begin_run(config: RunConfig, source: Source, bank: Bank, folder: Path, resume: bool = False) -> None:
    """Makes a run's folder with its config and bank; one that was begun before is gone on with on demand.

    Raises:
        InputError: the folder holds something else, or a run of another config, other data or another bank; the
            backbone cannot be trained on so many images in such batches.
    """
    source.of(config).check_batches()
    begun = folder / BEGUN
    going_on = resume and begun.is_file()
    if resume and not going_on and folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run to go on with; choose another --out")
    source.context.accelerator.wait_for_everyone()  # each has looked whether the folder is there
    record = Begun.of(config, source.channels, source.data, bank)
    if going_on:
        before = read_begun(folder)
        for name, one, two in (
            ("data", before.data.fingerprint, record.data.fingerprint),
            ("bank", before.bank_sha256, record.bank_sha256),
            ("backbone weights", before.backbone_weights_sha256, record.backbone_weights_sha256),
        ):
            if one != two:
                raise InputError(
                    f"{folder} was begun with other {name} ({one}, now {two}); restore them, or choose another --out"
                )
    if source.context.is_main:
        if not folder.is_dir():
            make_folder(folder)
        if not going_on:
            write_record(folder, record)  # first: the folder is a run's from here on
        _keep_bank(bank, folder / "bank.safetensors")
        if not (folder / "config.json").is_file():
            atomic.write_text(folder / "config.json", config.model_dump_json(indent=1) + "\n")
    source.context.accelerator.wait_for_everyone()


def _keep_bank(bank: Bank, path: Path) -> None:
    """Writes a run's bank, unless it is there.

    Raises:
        InputError: another bank is there, or it is damaged.
    """
    if not path.is_file():
        bank.save(path)
    elif Bank.load(path).sha256 != bank.sha256:
        raise InputError(f"{path} is not the bank that its run was begun with; remove it, and it is written again")


def same_config(config: RunConfig, folder: Path) -> None:
    """Checks that a run was begun with this config.

    Raises:
        InputError: keys differ; it names them.
    """
    before = flat(run_config(folder).model_dump(mode="json"))
    now = flat(config.model_dump(mode="json"))
    other = [k for k in {**before, **now} if before.get(k) != now.get(k) and not k.startswith(PRACTICAL)]
    if other:
        told = ", ".join(f"{key} was {before.get(key)!r}, now {now.get(key)!r}" for key in other)
        raise InputError(f"{folder} was begun with another config: {told}; give the same, or choose another --out")


def train_run(config: RunConfig, source: Source, bank: Bank, folder: Path, task: str = "train") -> History:
    """Trains, or solves, one model on seen labels and writes its folder; the test set is not looked at.

    A run that was begun in the folder is gone on with from its last checkpoint.
    """
    if not (folder / BEGUN).is_file():
        begin_run(config, source, bank, folder)
    tuned = source.backbone is not None and not source.cached
    backbone = copy.deepcopy(source.backbone) if tuned else None  # every run starts from the same one
    if backbone is not None and config.backbone is not None and config.backbone.mode == "frozen":
        backbone.freeze()
    elif backbone is not None:
        backbone.leave_out_unused(source.data.train.inputs.read([0]).shape[-1])
    set_seed(config.train.seed)  # after the first read, which may draw numbers: the decoder does not depend on it
    decoder = make_decoder(config, source.channels, bank, len(source.data.seen))
    model = ZeroShotModel(backbone, decoder)
    vectors = torch.from_numpy(bank.select(source.data.seen))
    seen = SeenSamples(*source.split(source.train, config.train.seed), vectors)
    checkpoints = Checkpoints(folder / "checkpoint", config.train.checkpoint_steps)
    if source.context.is_main:
        _save_backbone(config, source, folder)
    journal = Journal(task, checkpoints, partial(_write_history, folder))
    if config.decoder.solved:
        passes = replace(source.context, batch_size=config.train.batch_size)
        history = solve(model, seen, passes, journal, config.train.seed)
    else:
        history = train_at_best_rate(learning_rates(config), config.train, model, seen, source.context, journal)
    if source.context.is_main:
        weights = {READOUT: save_module(folder / READOUT, decoder)}
        if backbone is not None:
            weights[BACKBONE] = save_module(folder / BACKBONE, backbone)
        elif (folder / BACKBONE).is_file():
            _, weights[BACKBONE] = read_tensors(folder / BACKBONE, AGAIN)
        record = Finished(
            **vars(read_begun(folder)),
            seen=source.data.seen,
            best_epoch=history.best_epoch + 1,
            chosen=history.chosen,
            parameters=sum(p.numel() for p in decoder.parameters()),
            multiply_accumulates=_image_cost(source, backbone, decoder, bank),
            weights_sha256=weights,
        )
        write_record(folder, record)  # last: a folder with a run.json is a whole run
        checkpoints.remove()
    source.context.accelerator.wait_for_everyone()
    return history


def learning_rates(config: RunConfig) -> tuple[float, ...]:
    """The learning rates that a run tries: several for a pooled readout, unless a backbone is trained with it."""
    tuned = config.backbone is not None and config.backbone.mode == "tuned"
    return (config.train.lr,) if tuned else config.decoder.learning_rates(config.train.lr)


def _image_cost(source: Source, tuned: torch.nn.Module | None, readout: Readout, bank: Bank) -> int:
    """Multiply-accumulates of one image, backbone included, with all labels as the vocabulary."""
    device = next(readout.parameters()).device
    sample = source.data.train.inputs.read([0]).to(device)
    vectors = torch.from_numpy(bank.select(source.data.seen + source.data.unseen)).to(device)
    backbone = tuned if tuned is not None else source.backbone
    return image_cost(backbone if backbone is None else backbone.to(device), readout, sample, vectors)


def _write_history(folder: Path, history: History) -> None:
    atomic.write_text(folder / "history.json", json.dumps(history.as_json(), indent=1) + "\n")
    save_history_plot(history, folder / "history.png")


def pretrain_backbone(config: RunConfig, source: Source, folder: Path) -> None:
    """Trains a run's frozen backbone before the run, where its config asks for that; what was trained before is kept.

    Raises:
        InputError: a damaged file.
    """
    saved = folder / BACKBONE
    if source.backbone is None or config.backbone is None or config.backbone.pretrain is None:
        return
    checkpoints = Checkpoints(folder / "pretraining", config.train.checkpoint_steps)
    if saved.is_file():
        load_module(saved, source.backbone, "remove it, and it is trained again")
        if source.context.is_main:
            checkpoints.remove()
        return
    source.pretrain(checkpoints)
    if source.context.is_main:
        _save_backbone(config, source, folder)
        checkpoints.remove()
    source.context.accelerator.wait_for_everyone()


def _save_backbone(config: RunConfig, source: Source, folder: Path) -> None:
    """The frozen backbone of a run, unless it is a file of the user's."""
    chosen, path = config.backbone, folder / BACKBONE
    if chosen is None or source.backbone is None or path.is_file():
        return
    if chosen.pretrain is not None or chosen.weights is None:
        save_module(path, source.backbone)


def open_run(folder: Path, settings: list[str], progress: Progress) -> Source:
    """The data and backbone of a trained run, for its test.

    Raises:
        InputError: not a whole run, unusable data, a backbone file that is not the one of training.
    """
    record = read_finished(folder)
    for setting in settings:
        if not setting.startswith(("data.", "evaluate.", "backbone.weights=", "train.precision=")):
            own = "data.*, evaluate.*, backbone.weights and train.precision"
            raise InputError(f"--set {setting!r}: a trained run takes {own} alone")
    config = run_config(folder, settings)
    chosen, own_weights = config.backbone, BACKBONE in record.weights_sha256 or (folder / BACKBONE).is_file()
    if chosen is not None and own_weights:
        config = config.model_copy(
            update={"backbone": chosen.model_copy(update={"weights": None, "pretrained": False})}
        )
    elif chosen is not None and chosen.weights is not None and weights_file(chosen.weights).is_file():
        _check_weights(chosen.weights, record.backbone_weights_sha256, folder)
    source = open_source(config, Context.of(config.train.precision, progress=progress))
    if source.backbone is not None and own_weights:
        load_module(folder / BACKBONE, source.backbone, AGAIN, record.weights(BACKBONE, folder))
    if source.data.seen != record.seen:
        raise InputError(
            f"the seen labels of {source.data.name} are not those that {folder} was trained on; restore them"
        )
    return source


def evaluate_run(folder: Path, source: Source, task: str = "test") -> Result:
    """Tests a trained run and writes what was measured into its folder: `measure_run`, `save_measured`."""
    result = measure_run(folder, source, task=task)
    if source.context.is_main:
        save_measured(result, source, folder)
    return result


def save_measured(result: Result, source: Source, folder: Path, samples: int = 12) -> None:
    """`samples.json`, `labels.csv` and `metrics.json`; `samples` test images are kept with what was found in them."""
    save_samples(folder, source.data, result.scores, samples)
    save_metrics(result, folder)


def measure_run(folder: Path, source: Source, bank_file: Path | None = None, task: str = "test") -> Result:
    """Tests a trained run; nothing is written.

    Args:
        folder: of `train_run`.
        source: data and tokens, which several runs may share.
        bank_file: another bank to take word vectors from, of the width of training.
        task: for the progress.
    Raises:
        InputError: not a whole run, a bank of another width or without a label that the data names.
    """
    bank = own = trained_bank(folder)
    if bank_file is not None:
        bank = Bank.load(bank_file)
        if bank.embed_dim != own.embed_dim:
            raise InputError(
                f"bank {bank_file} has vectors of size {bank.embed_dim}, but {folder} was trained with size "
                f"{own.embed_dim}; build it with encoder {own.provenance.encoder!r}"
            )
    require(source.data.names, bank.labels, str(bank_file or folder / "bank.safetensors"))
    scores = source.scores(trained_model(folder, source, bank), bank, task)
    settings, shift = source.config.evaluate, calibrated_shift(folder)
    test = TestSet.of(source.data)
    evaluation = measure(scores, test, settings.k, settings.bootstrap, shift)
    labels = per_label(evaluation, test, bank, source.data.train.targets.label_counts())
    return Result(str(folder), test, scores, evaluation, labels)


def trained_bank(folder: Path) -> Bank:
    """The word vectors of a trained run.

    Raises:
        InputError: not a whole run, other vectors than those of training.
    """
    bank = Bank.load(folder / "bank.safetensors")
    if bank.sha256 != read_finished(folder).bank_sha256:
        raise InputError(f"{folder / 'bank.safetensors'} is not the bank that its run was trained with; restore it")
    return bank


def trained_model(folder: Path, source: Source, bank: Bank) -> ZeroShotModel:
    """The model of a trained run, for the inputs of its source.

    Args:
        bank: whose width the readout has.
    Raises:
        InputError: not a whole run, weights that are not its own, inputs of another size.
    """
    record = read_finished(folder)
    config = run_config(folder)
    if source.channels != record.channels:
        told = f"tokens of {source.data.name} have {source.channels} channels"
        raise InputError(f"{told}, but {folder} was trained on {record.channels}; restore the data")
    readout = make_decoder(config, record.channels, bank, len(record.seen))
    load_module(folder / READOUT, readout, AGAIN, record.weights(READOUT, folder))
    backbone = None if source.cached else copy.deepcopy(source.backbone)
    if backbone is not None:  # tuned: each run has one of its own
        load_module(folder / BACKBONE, backbone, AGAIN, record.weights(BACKBONE, folder))
    return ZeroShotModel(backbone, readout, LOSSES[config.train.loss].exclusive)


def calibrated_shift(folder: Path) -> float | None:
    """The bias on seen logits that `zsl calibrate` chose for a run, if it was asked to.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / "calibration.json"
    if not path.is_file():
        return None
    return read_model(path, Calibrated, "remove it and run zsl calibrate again").shift


def _check_weights(path: Path, sha256: str | None, folder: Path) -> None:
    if hash_of(weights_file(path)) != sha256:
        raise InputError(f"{path} is not the file that {folder} was trained with; restore it")
