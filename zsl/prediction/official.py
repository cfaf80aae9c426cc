"""The published checkpoints of the official ML-Decoder code, as models."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from zsl.backbones.backbone import read_stored
from zsl.backbones.official_tresnet import load_tresnet
from zsl.data.squares import Square
from zsl.prediction.facts import Facts
from zsl.prediction.model import TrainedModel
from zsl.readouts.official_weights import load_state_dict

IMAGE_SIZE = 448
CLOSED_SET_ENCODER = "lexical"  # the head of a closed set reads no word vectors; a bank is part of every model


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Args:
        state: tensors by name.
        labels: the names of the labels; None if the file has none.
    """

    state: Mapping[str, Tensor]
    labels: tuple[str, ...] | None


def import_official(
    path: Path, labels: Sequence[str] | None = None, bank: Bank | None = None, image_size: int = IMAGE_SIZE
) -> TrainedModel:
    """A model with the weights of a published ML-Decoder checkpoint: a TResNet, and the group or zero-shot head.

    Pictures are read as the official validation reads them: both sides are resized, and pixels are scaled to [0, 1].

    Args:
        path: a torch file with the weights, at the top or under "model" or "state_dict"; nothing is unpickled.
        labels: the names of the labels, in the order of the checkpoint. None takes the names in the file
            ("idx_to_class"), or those of the bank.
        bank: word vectors of the labels. The zero-shot head needs those of its training; the group head reads none.
        image_size: the side of the square, in pixels.
    Returns:
        the model, in evaluation mode.
    Raises:
        InputError: not such a checkpoint; missing or other weights; labels that are missing or of another number; a
            bank that is missing or of another width.
    """
    checkpoint = read_checkpoint(path)
    backbone, seen_by = load_tresnet(checkpoint.state)
    decoder, config = load_state_dict(checkpoint.state)
    channels, needed = decoder.memory_projection.in_features, backbone.channels(image_size)
    if channels != needed:
        raise InputError(f"{path}: the head reads tokens of {channels} channels, and the TResNet gives {needed}")
    names = _names(path, labels, checkpoint, bank, decoder.num_labels if not config.reads_vectors else None)
    if bank is None and config.reads_vectors:
        raise InputError(f"{path} has the zero-shot head, which reads word vectors; give the bank of its training")
    bank = build_bank(names, CLOSED_SET_ENCODER) if bank is None else bank
    bank.select(names)
    if config.reads_vectors and bank.embed_dim != decoder.embed_dim:
        raise InputError(
            f"{path} was trained with word vectors of size {decoder.embed_dim}, the bank's {bank.embed_dim}"
        )
    readout = config.make(channels, bank.embed_dim, len(names))
    readout.load_state_dict(decoder.state_dict())
    backbone.freeze()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = Facts(
        name=path.stem,
        data=path.name,
        fingerprint=digest,
        seen=names,
        channels=channels,
        embed_dim=bank.embed_dim,
        loss="asymmetric",
        square=Square(image_size),
        backbone=seen_by.model_dump(mode="json"),
        decoder=config.model_dump(mode="json"),
        precision="fp32",
    )
    return TrainedModel(backbone, readout, False, facts, bank).eval()


def read_checkpoint(path: Path) -> Checkpoint:
    """The tensors of a checkpoint, and its labels if it has some.

    Args:
        path: a torch or safetensors file.
    Raises:
        InputError: a file that cannot be read, or holds no tensors.
    """
    stored = read_stored(path)
    values = stored if isinstance(stored, dict) else {}
    state = next((values[key] for key in ("model", "state_dict") if isinstance(values.get(key), Mapping)), values)
    tensors = {str(name).removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise InputError(f"{path} holds no tensors by name; give a checkpoint of the official ML-Decoder")
    return Checkpoint(tensors, _stored_labels(values, path))


def _stored_labels(values: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    """The names under "idx_to_class", in the order of their numbers.

    Raises:
        InputError: numbers that are not 0, 1, 2 and so on; names that are not text.
    """
    named = values.get("idx_to_class")
    if not isinstance(named, Mapping):
        return None
    numbers = {str(number): name for number, name in named.items()}
    found = [numbers.get(str(place)) for place in range(len(numbers))]
    if not all(isinstance(name, str) for name in found):
        raise InputError(f"{path}: 'idx_to_class' does not name the labels 0 to {len(numbers) - 1}; give --labels")
    return tuple(label_name(str(name), str(path)) for name in found)


def _names(
    path: Path, labels: Sequence[str] | None, checkpoint: Checkpoint, bank: Bank | None, count: int | None
) -> tuple[str, ...]:
    """The labels of a checkpoint.

    Args:
        count: their number, if the head says it.
    Raises:
        InputError: there are none; another number; a name twice.
    """
    source, names = "the labels given", tuple(labels or ())
    if labels is None:
        source, names = "'idx_to_class'", checkpoint.labels or ()
    if not names and bank is not None:
        source, names = "the bank", bank.labels
    if not names:
        raise InputError(
            f"{path} does not name its labels; give --labels FILE, a name per line in the order of training"
        )
    if count is not None and len(names) != count:
        raise InputError(f"{path} has a head of {count:,} labels, and there are {len(names):,} in {source}")
    if len(set(names)) < len(names):
        twice = next(name for name, number in Counter(names).items() if number > 1)
        raise InputError(f"{path}: label {twice!r} is twice in {source}; give --labels FILE with distinct names")
    return names
