"""Corel5k as region tokens: each image is the set of its region clusters, each label set a row of bits."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
import torch

from embeddings import InputError
from embeddings.texts import read_lines
from zsl.config import Config
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.split import read_split
from zsl.data.targets import Targets


class Corel5kConfig(Config):
    """`file` is the .npz, `split` the split JSON; labels that neither side of it names are left out.

    `seen` is a text file of names, one a line: seen labels that are not among them are left out too, as those are
    that a table of word vectors lacks.
    """

    name: Literal["corel5k"]
    file: Path
    split: Path
    seen: Path | None = None


def load_corel5k(config: Corel5kConfig) -> MultiLabelData:
    """Tokens are one-hot cluster ids, which the decoder's memory projection embeds; absent regions are zeros.

    The file holds `X` and `Y` (packed bits of (image, cluster) and (image, label)), `labels` and `n_train`.

    Raises:
        InputError: no such file, not the layout, no label in common with the split.
    """
    if not config.file.is_file():
        raise InputError(f"no Corel5k file {config.file}")
    try:
        with config.file.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            labels = [str(name) for name in archive["labels"]]
            present = np.unpackbits(archive["X"], axis=1).astype(bool)
            targets = np.unpackbits(archive["Y"], axis=1)[:, : len(labels)]
            n_train = int(archive["n_train"])
            whole = len(present) == len(targets) and 0 < n_train < len(present) and targets.shape[1] == len(labels)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(f"{config.file} is not a Corel5k file ({error}); it holds X, Y, labels, n_train") from error
    if not whole or len(set(labels)) < len(labels):
        raise InputError(f"{config.file} is not a Corel5k file: the lengths of X, Y, labels, n_train do not fit")
    split_seen, split_unseen = read_split(config.split, labels)
    kept = set(split_seen) & (
        set(split_seen) if config.seen is None else {name for _, name in read_lines(config.seen, "names")}
    )
    seen = [name for name in labels if name in kept]
    unseen = [name for name in labels if name in set(split_unseen)]
    if not seen or not unseen:
        raise InputError(f"no {'unseen' if seen else 'seen'} label of {config.file} is left; see {config.split}")
    columns = [labels.index(name) for name in seen + unseen]
    tokens, targets = _one_hot_tokens(present), targets[:, columns]
    usable = np.flatnonzero(targets[:n_train, : len(seen)].any(axis=1))
    digest = hashlib.sha256(config.file.read_bytes() + json.dumps([seen, unseen]).encode()).hexdigest()
    return MultiLabelData(
        name="corel5k",
        seen=tuple(seen),
        unseen=tuple(unseen),
        train=Part(Tensors(tokens[torch.from_numpy(usable)]), Targets.of(targets[usable, : len(seen)])),
        test=Part(Tensors(tokens[n_train:]), Targets.of(targets[n_train:])),
        kind="tokens",
        fingerprint=f"sha256 {digest}",
    )


def _one_hot_tokens(present: np.ndarray) -> torch.Tensor:
    """(image, cluster) presence to (image, token, cluster), as many tokens as the fullest image has clusters.

    A one stands as the square root of the number of clusters: tokens of mean square 1, for which layers are
    initialised.
    """
    rows, clusters = np.nonzero(present)
    counts = present.sum(axis=1)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    tokens = torch.zeros(len(present), int(counts.max()), present.shape[1], dtype=torch.bfloat16)
    tokens[torch.from_numpy(rows), torch.from_numpy(place), torch.from_numpy(clusters)] = present.shape[1] ** 0.5
    return tokens
