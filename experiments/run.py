"""One run: training, test, and the folder that it leaves."""

import copy
import hashlib
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from safetensors.torch import save as safetensors_bytes

from embeddings import Bank, InputError, atomic
from embeddings.progress import Progress
from embeddings.spelling import require
from experiments.config import RunConfig, load_config
from experiments.files import make_folder
from experiments.source import Source, open_source
from zsl.backbone import read_tensors
from zsl.data import MultiLabelData
from zsl.decoder import GroupDecoder
from zsl.evaluation import protocols
from zsl.model import ZeroShotModel
from zsl.training import fit, make_accelerator

PACKAGES = (
    "torch",
    "timm",
    "accelerate",
    "gensim",
    "sentence-transformers",
    "numpy",
    "scikit-learn",
    "zero-shot-toolkit",
)


def make_decoder(config: RunConfig, channels: int, bank: Bank, num_labels: int) -> GroupDecoder:
    """The decoder of a config for a bank's width and a number of seen labels.

    Raises:
        InputError: sizes that do not fit.
    """
    return GroupDecoder(channels, bank.embed_dim, num_labels, **config.decoder.model_dump())


def train_run(config: RunConfig, source: Source, bank: Bank, folder: Path, task: str = "train") -> None:
    """Trains one model on seen labels and writes its folder; the test set is not looked at."""
    tuned = source.backbone is not None and not source.frozen
    backbone = copy.deepcopy(source.backbone) if tuned else None  # every run starts from the same one
    if backbone is not None and config.backbone is not None and config.backbone.mode == "frozen":
        backbone.freeze()
    sample = source.train.inputs.read([0])
    channels = backbone.channels(sample.shape[-1]) if backbone is not None else int(sample.shape[-1])
    set_seed(config.train.seed)  # after the first read, which may draw numbers: the decoder does not depend on it
    decoder = make_decoder(config, channels, bank, len(source.data.seen))
    model = ZeroShotModel(backbone, decoder)
    vectors = torch.from_numpy(bank.select(source.data.seen))
    samples, held = source.split(source.train)
    history = fit(config.train, model, samples, held, vectors, source.accelerator, source.progress, task)
    if not source.accelerator.is_main_process:
        return
    make_folder(folder)
    bank.save(folder / "bank.safetensors")
    _save_tensors(folder / "readout.safetensors", decoder)
    chosen = config.backbone
    saved = backbone or source.backbone
    if chosen is not None and saved is not None and (tuned or chosen.pretrain is not None or chosen.weights is None):
        _save_tensors(folder / "backbone.safetensors", saved)
    atomic.write_text(folder / "config.json", config.model_dump_json(indent=1) + "\n")
    record = {
        "channels": channels,
        "seen": source.data.seen,
        "best_epoch": history.best_epoch + 1,
        "loss": history.loss,
        "seen_validation_map": history.validation_map,
        "parameters": sum(p.numel() for p in decoder.parameters()),
        **provenance(config, source.data, bank),
    }
    # last: a folder with a run.json is a whole run
    atomic.write_text(folder / "run.json", json.dumps(record, indent=1) + "\n")


def open_run(folder: Path, settings: list[str], progress: Progress) -> Source:
    """The data and backbone of a trained run, for its test.

    Raises:
        InputError: not a whole run, unusable data, a backbone file that is not the one of training.
    """
    record = _record(folder)
    for setting in settings:
        if not setting.startswith(("data.", "evaluate.", "backbone.weights=")):
            raise InputError(f"--set {setting!r}: a trained run takes data.*, evaluate.* and backbone.weights alone")
    config = load_config(str(folder / "config.json"), settings)
    own_weights, chosen = folder / "backbone.safetensors", config.backbone
    if chosen is not None and own_weights.is_file():
        config = config.model_copy(
            update={"backbone": chosen.model_copy(update={"weights": None, "pretrained": False})}
        )
    elif chosen is not None and chosen.weights is not None and chosen.weights.is_file():
        _check_weights(chosen.weights, record["backbone_weights_sha256"], folder)
    source = open_source(config, make_accelerator(config.train.precision), progress)
    if source.backbone is not None and own_weights.is_file():
        _load_tensors(own_weights, source.backbone)
    if list(source.data.seen) != record["seen"]:
        raise InputError(
            f"the seen labels of {source.data.name} are not those that {folder} was trained on; restore them"
        )
    return source


def evaluate_run(folder: Path, source: Source, bank_file: Path | None = None, task: str = "test") -> dict[str, float]:
    """Tests a trained run and writes `metrics.json` into its folder.

    Args:
        folder: of `train_run`.
        source: data and tokens, which several runs may share.
        bank_file: another bank to take word vectors from, of the width of training; the result is then not written.
    Raises:
        InputError: not a whole run, a bank of another width or without a label that the data names.
    """
    record = _record(folder)
    config = load_config(str(folder / "config.json"), [])
    bank = trained_bank = Bank.load(folder / "bank.safetensors")
    if bank_file is not None:
        bank = Bank.load(bank_file)
        if bank.embed_dim != trained_bank.embed_dim:
            raise InputError(
                f"bank {bank_file} has vectors of size {bank.embed_dim}, but {folder} was trained with size "
                f"{trained_bank.embed_dim}; build it with encoder {trained_bank.provenance.encoder!r}"
            )
    require(source.data.names, bank.labels, str(bank_file or folder / "bank.safetensors"))
    decoder = make_decoder(config, record["channels"], bank, record["data"]["seen"])
    _load_tensors(folder / "readout.safetensors", decoder)
    backbone = None if source.frozen else copy.deepcopy(source.backbone)
    if backbone is not None:  # tuned: each run has one of its own
        _load_tensors(folder / "backbone.safetensors", backbone)
    metrics = source.evaluate(ZeroShotModel(backbone, decoder), bank, task)
    if bank_file is None and source.accelerator.is_main_process:
        stamp = {
            "data": source.data.fingerprint,
            "test_images": len(source.data.test.targets),
            "positives_per_image": float(source.data.test.targets.image_counts().mean()),
            "labels": {name: len(p.labels) for name, p in protocols(source.data).items()},
            "absent": "map leaves out labels without a positive test image; map_absent_zero counts them 0",
        }
        content = {"metrics": metrics, "protocol": stamp}
        atomic.write_text(folder / "metrics.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    return metrics


def _check_weights(path: Path, sha256: str, folder: Path) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise InputError(f"{path} is not the file that {folder} was trained with; restore it")


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a finished run: it has no run.json; train it with zsl train")
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); train again") from error
    return record


def _load_tensors(path: Path, module: torch.nn.Module) -> None:
    try:
        module.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        raise InputError(f"{path} does not fit its run's config ({str(error).splitlines()[0]}); train again") from error


def provenance(config: RunConfig, data: MultiLabelData, bank: Bank) -> dict[str, Any]:
    """What is needed to say where numbers come from."""
    weights = config.backbone.weights if config.backbone is not None else None
    return {
        "bank_sha256": bank.sha256,
        "bank": vars(bank.provenance),
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "seen": len(data.seen),
            "unseen": len(data.unseen),
        },
        "backbone_weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest() if weights else None,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "git": _git_revision(),
    }


def _git_revision() -> str | None:
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return None  # installed; a repository around it would not be the toolkit's
    found = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"], capture_output=True, text=True
    )
    return found.stdout.strip() or None if found.returncode == 0 else None


def _save_tensors(path: Path, module: torch.nn.Module) -> None:
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    atomic.write_bytes(path, safetensors_bytes(state))
