"""`zsl data extract`: a frozen backbone's tokens of a dataset, written to disk."""

from dataclasses import replace
from pathlib import Path

from embeddings.io.errors import InputError
from embeddings.io.markup import shell
from embeddings.io.progress import Progress
from zsl.context import Context
from zsl.data.dataset_config import DatasetConfig
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.files import read_manifest
from zsl.data.tokens.writing import Extraction
from zsl.runs.claims import claimed
from zsl.runs.config import RunConfig
from zsl.runs.saved import BACKBONE
from zsl.runs.source import open_source
from zsl.tensor_file import save_module, state_hash
from zsl.training.augmentation import make_augmentation


def _stamps(data: DatasetConfig) -> list[tuple[str, int, int]]:
    """Sizes and times of the feature files: another backbone's files may have the same labels and shapes."""
    found = [(name, path.stat()) for name, path in data.feature_files.items()]
    return [(file, told.st_size, told.st_mtime_ns) for file, told in found]


def run_extraction(config: RunConfig, out: Path, stored: Extraction, progress: Progress) -> str:
    """Writes the tokens of a config's dataset, and returns a line that says how to train from them.

    Features of another format ("hdf5", "tfrecords") are rewritten as they are.

    Args:
        config: dataset, backbone, augmentation and seed.
        out: the folder to make, or one in which the same extraction was stopped.
        stored: how tokens are stored; the rest is filled in from the config.
        progress: called after each batch.
    Raises:
        InputError: no frozen backbone; images that do not decode; a folder with another extraction, or that another
            command is using.
    """
    new, chosen = not out.exists(), config.backbone
    features = bool(config.data.feature_files)
    if not features and (chosen is None or chosen.mode == "tuned"):
        raise InputError('tokens need a frozen backbone: give [backbone] with mode = "frozen"')
    augment = None if features else make_augmentation(config.augment)
    if stored.views > 1 and augment is None:
        raise InputError("views of an image differ only by augmentation; give [augment], or --views 1")
    source = open_source(config, Context.of(config.train.precision, progress=progress), in_order=True)
    source.pretrain()
    made_with = {
        "backbone": None if chosen is None else chosen.model_dump(mode="json"),
        "weights_sha256": None if source.backbone is None else state_hash(source.backbone),
        "precision": source.context.accelerator.mixed_precision,
        "data": config.data.model_dump(mode="json"),
        "features": _stamps(config.data) if features else None,
        "augment": config.augment.model_dump(mode="json") if stored.views > 1 else None,
    }
    if source.leading:  # extractions of earlier versions have no such entry
        made_with["leading"] = source.leading
    stored = replace(stored, seed=config.train.seed, augment=augment, made_with=made_with)
    source.context.accelerator.wait_for_everyone()  # every process has checked whether the folder exists
    with claimed(out, make=new):
        extract(source.backbone, source.data, out, stored, source.context)
        if source.backbone is not None and source.context.is_main and not (out / BACKBONE).is_file():
            save_module(out / BACKBONE, source.backbone)  # a model trained on the tokens needs it to read pictures
    use = shell("--set", "data.name=tokens", "--set", f"data.root={out}", "--set", "backbone=none")
    parts = read_manifest(out).parts if source.context.is_main else None
    left_out = 0 if parts is None else len(parts.train.unreadable) + len(parts.test.unreadable)
    if left_out:
        use += f"; {left_out:,} images did not decode and are left out, see {out / 'manifest.json'}"
    return f"{out}: tokens of {source.data.name}; train on them with {use}"
