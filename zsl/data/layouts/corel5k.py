"""Corel5k as region tokens: each image is the set of its region clusters, each label set a row of bits."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from embeddings.io.arrays import read_arrays
from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.texts import read_labels
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.dataset_config import DatasetConfig
from zsl.data.layouts.split import read_split
from zsl.data.targets import Targets

if TYPE_CHECKING:
    import torch

ROOM = 1 << 24  # bytes of the arrays, which are bits; the published file has half a million
LARGEST = 1 << 27  # numbers of all tokens; the published file makes 25 million


class Corel5kConfig(DatasetConfig):
    """`file` is the .npz, `split` the split JSON; labels that it names neither as seen nor as unseen are left out.

    `seen` is a text file of names, one per line: seen labels that it does not list are left out too, for example those
    without a word vector.
    """

    name: Literal["corel5k"] = "corel5k"
    file: Path
    split: Path
    seen: Path | None = None

    def load(self) -> MultiLabelData:
        """Tokens are one-hot cluster ids, which the decoder's memory projection embeds; absent regions are zeros.

        The file holds `X` and `Y` (packed bits of (image, cluster) and (image, label)), `labels` and `n_train`.

        Raises:
            InputError: no such file, a file of another layout, no label in common with the split.
        """
        import torch

        labels, present, targets, n_train = _read(self.file)
        split_seen, split_unseen = read_split(self.split, labels)
        kept = set(split_seen) & (set(split_seen) if self.seen is None else set(read_labels(self.seen)))
        seen = [name for name in labels if name in kept]
        unseen = [name for name in labels if name in set(split_unseen)]
        if not seen or not unseen:
            raise InputError(f"no {'unseen' if seen else 'seen'} label of {self.file} is left; see {self.split}")
        columns = [labels.index(name) for name in seen + unseen]
        tokens, targets = _one_hot_tokens(present), targets[:, columns]
        usable = np.flatnonzero(targets[:n_train, : len(seen)].any(axis=1))
        digest = hashlib.sha256(self.file.read_bytes() + json.dumps([seen, unseen]).encode()).hexdigest()
        return MultiLabelData(
            name="corel5k",
            seen=tuple(seen),
            unseen=tuple(unseen),
            train=Part(Tensors(tokens[torch.from_numpy(usable)]), Targets.of(targets[usable, : len(seen)])),
            test=Part(Tensors(tokens[n_train:]), Targets.of(targets[n_train:])),
            kind="tokens",
            fingerprint=f"sha256 {digest}",
        )


def _read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Labels, (image, cluster) bool, (image, label) of 0 and 1, and the number of training images."""
    arrays = read_arrays(path, "Corel5k", ROOM)
    shapes = {name: array.shape for name, array in arrays.items()}
    match shapes:
        case {"X": (images, _), "Y": (rows, width), "labels": (count,), "n_train": () | (1,)}:
            bits = arrays["X"].dtype == arrays["Y"].dtype == np.uint8
            n_train = int(arrays["n_train"].item()) if arrays["n_train"].dtype.kind in "iu" else 0
            fits = bits and images == rows and 0 < n_train < images and 8 * width >= count
        case _:
            fits = False
    if not fits:
        raise InputError(f"{path} is not a Corel5k file: its arrays have shapes {shapes}, or other types")
    labels = [label_name(str(name), str(path)) for name in arrays["labels"]]
    if len(set(labels)) < len(labels):
        raise InputError(f"{path} is not a Corel5k file: it names a label twice")
    present = np.unpackbits(arrays["X"], axis=1).astype(bool)
    most = int(present.sum(axis=1).max())
    if not 0 < present.size * most <= LARGEST:
        raise InputError(f"{path} is not a Corel5k file: an image has up to {most:,} of {present.shape[1]:,} regions")
    return labels, present, np.unpackbits(arrays["Y"], axis=1)[:, : len(labels)], n_train


def _one_hot_tokens(present: np.ndarray) -> "torch.Tensor":
    """(image, cluster) presence to (image, token, cluster): one token for each cluster of the image with the most.

    The nonzero entry is the square root of the number of clusters, so that tokens have mean square 1, which the
    initial weights of layers expect.
    """
    import torch

    rows, clusters = np.nonzero(present)
    counts = present.sum(axis=1)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    tokens = torch.zeros(len(present), int(counts.max()), present.shape[1], dtype=torch.bfloat16)
    tokens[torch.from_numpy(rows), torch.from_numpy(place), torch.from_numpy(clusters)] = present.shape[1] ** 0.5
    return tokens
