"""The labels of one step: the seen ones, or some of them, and labels made for this step alone."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor

from zsl.readouts.readout import Vectors
from zsl.training.config import TrainConfig

LEAST = 0.25  # share that the weaker of two mixed labels has at least


def step_labels(
    config: TrainConfig, vectors: Vectors, targets: Int8[Tensor, "batch label"], partial: bool
) -> tuple[Float[Tensor, "asked embed"], Int8[Tensor, "batch asked"]]:
    """The word vectors that one step trains with, and the targets of their labels.

    In this order: `train.label_dropout` leaves out a share of the seen labels; `train.mixed_labels` adds mixtures of
    two seen labels, which may be among those left out; `train.vector_noise` changes the vectors of both; and
    `train.random_queries` adds random vectors as labels that no image has.

    Args:
        config: `[train]`.
        vectors: (label, embed) of the seen labels.
        targets: (batch, label), 1, 0 or -1.
        partial: whether 0 means not annotated, and -1 absent.
    Returns:
        vectors (asked, embed) and targets (batch, asked).
    """
    asked, found = vectors, targets
    if config.label_dropout:
        kept = max(1, round((1 - config.label_dropout) * len(vectors)))
        chosen = torch.randperm(len(vectors), device=vectors.device)[:kept].sort().values
        asked, found = vectors[chosen], targets[:, chosen]
    if config.mixed_labels:
        mixtures, unions = mixed_labels(config.mixed_labels, vectors, targets)
        asked, found = torch.cat([asked, mixtures]), torch.cat([found, unions], 1)
    size = vectors.square().mean().sqrt()
    if config.vector_noise:
        asked = asked + config.vector_noise * size * torch.randn_like(asked)
    if config.random_queries:
        noise = torch.randn(config.random_queries, vectors.shape[1], device=vectors.device)
        asked = torch.cat([asked, noise * size])
        found = F.pad(found, (0, config.random_queries), value=-1 if partial else 0)
    return asked, found


def mixed_labels(
    count: int, vectors: Vectors, targets: Int8[Tensor, "batch label"]
) -> tuple[Float[Tensor, "mixed embed"], Int8[Tensor, "batch mixed"]]:
    """Mixtures of two seen labels, which stand for unseen ones in training.

    A mixture's vector is `w n_i + (1 - w) n_j` of two random labels, w uniform from 0.25 to 0.75, stretched to the
    length `w |n_i| + (1 - w) |n_j|`. An image has it if it has one of the two labels.

    Args:
        count: M, how many.
        vectors, targets: same as for `step_labels`.
    Returns:
        vectors (mixed, embed) and targets (batch, mixed): 1 if one of the two is 1, else 0 if one of them is 0.
    """
    one = torch.randint(len(vectors), (count,), device=vectors.device)
    # another label than the first, each with the same chance; a single label is mixed with itself
    two = (one + torch.randint(1, max(len(vectors), 2), (count,), device=vectors.device)) % len(vectors)
    weight = LEAST + (1 - 2 * LEAST) * torch.rand(count, 1, device=vectors.device)
    mixture = weight * vectors[one] + (1 - weight) * vectors[two]
    lengths = vectors.norm(dim=1, keepdim=True)
    length = weight * lengths[one] + (1 - weight) * lengths[two]
    return F.normalize(mixture, dim=1) * length, torch.maximum(targets[:, one], targets[:, two])
