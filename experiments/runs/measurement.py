"""Opens a trained run, measures it on its test set, and saves the results in its folder."""

from pathlib import Path
from typing import Literal

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from embeddings.io.spelling import require
from experiments.config.reading import run_config
from experiments.runs.error_search import save_errors
from experiments.runs.looking import looked_of
from experiments.runs.result import Result, save_metrics, save_replicates
from experiments.runs.samples import save_samples
from zsl.context import Context
from zsl.data.tokens.files import hash_of
from zsl.evaluation.decisions import with_decisions
from zsl.evaluation.measures import measure
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet
from zsl.evaluation.saved_scores import save_scores
from zsl.prediction.thresholds import FILE as THRESHOLDS
from zsl.prediction.thresholds import Thresholds
from zsl.runs.records import read_finished
from zsl.runs.saved import AGAIN, BACKBONE, calibrated, trained_bank, trained_model
from zsl.runs.source import Source, open_source
from zsl.tensor_file import load_module

Keep = Literal["report", "scores", "both"]
SCORES = "scores"  # the folder of a run's scores, in that of the run


def open_run(folder: Path, settings: list[str], progress: Progress) -> Source:
    """The data and backbone of a trained run, for its test.

    Raises:
        InputError: not a finished run, unusable data, a backbone file that is not the one of training.
    """
    record = read_finished(folder)
    for setting in settings:
        if not setting.startswith(("data.", "evaluate.", "backbone.weights=", "train.precision=")):
            own = "data.*, evaluate.*, backbone.weights and train.precision"
            raise InputError(f"--set {setting!r}: a trained run takes only {own}")
    config = run_config(folder, settings)
    chosen, own_weights = config.backbone, BACKBONE in record.weights_sha256 or (folder / BACKBONE).is_file()
    if chosen is not None and own_weights:
        config = config.model_copy(update={"backbone": chosen.without_weights()})
    elif chosen is not None and chosen.file is not None and chosen.file.is_file():
        _check_weights(chosen.file, record.backbone_weights_sha256, folder)
    source = open_source(config, Context.of(config.train.precision, progress=progress))
    if source.backbone is not None and own_weights:
        load_module(folder / BACKBONE, source.backbone, AGAIN, record.weights(BACKBONE, folder))
    if source.data.seen != record.seen:
        raise InputError(
            f"the seen labels of {source.data.name} are not those that {folder} was trained on; restore them"
        )
    return source


def evaluate_run(folder: Path, source: Source, task: str = "test", keep: Keep = "report") -> None:
    """Tests a trained run and writes what was measured into its folder: `measure_run`, `save_measured`.

    Args:
        folder: of the run.
        source: its data and tokens.
        task: for the progress.
        keep: what is written beside the metrics: what reports show, the scores, or both.
    """
    result = measure_run(folder, source, task=task)
    if not source.context.is_main:
        return
    if keep != "report":
        save_scores(folder / SCORES, result.scores, result.test, source.config.evaluate.form)
    if keep == "scores":
        save_metrics(result, folder)
    else:
        save_measured(result, source, folder)


def save_measured(result: Result, source: Source, folder: Path, samples: int = 12) -> None:
    """Saves what tables and reports show of a run; `samples` is the number of images drawn at random.

    The files are `errors.json`, `samples.json`, `bootstrap.json`, `labels.csv` and `metrics.json`.
    """
    save_errors(folder, source.data, result.scores)
    save_samples(folder, source.data, result.scores, samples, result.looked)
    save_replicates(result, folder)
    save_metrics(result, folder)


def measure_run(folder: Path, source: Source, bank_file: Path | None = None, task: str = "test") -> Result:
    """Tests a trained run; nothing is written.

    Args:
        folder: of `train_run`.
        source: data and tokens, which several runs may share.
        bank_file: another bank to take word vectors from, of the same width as in training.
        task: for the progress.
    Raises:
        InputError: not a finished run, a bank of another width or without a label of the data.
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
    model = trained_model(folder, source, bank)
    scores = source.scores(model, bank, task, own)
    settings, chosen = source.config.evaluate, calibrated(folder)
    shift = None if chosen is None or chosen.form != settings.form else chosen.shift
    test = TestSet.of(source.data)
    evaluation = measure(scores, test, settings.k, settings.bootstrap, shift, settings.form)
    if (folder / THRESHOLDS).is_file():
        rule = Thresholds.load(folder / THRESHOLDS)
        asked = source.asking(rule.company, rule.normalisation)
        given = scores if asked is source else asked.scores(model, bank, f"{task}, labels {rule.company}", own)
        evaluation = with_decisions(evaluation, rule, given, test, settings.bootstrap)
    labels = per_label(evaluation, test, bank, source.data.train.targets.label_counts())
    return Result(str(folder), test, scores, evaluation, labels, looked_of(model, source, bank, own))


def _check_weights(path: Path, sha256: str | None, folder: Path) -> None:
    if hash_of(path) != sha256:
        raise InputError(f"{path} is not the file that {folder} was trained with; restore it")
