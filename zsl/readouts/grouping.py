"""Which labels share a group: an order of the vocabulary, in which consecutive labels form the groups."""

from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from zsl.readouts.readout import Vectors

Grouping = Literal["given", "random", "redrawn", "similar", "dissimilar"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)
SHUFFLED: tuple[Grouping, ...] = ("random", "redrawn")  # those that can be averaged over several

Grouped = Float[Tensor, "group slot embed"]
Places = Int64[Tensor, " label"] | Int64[Tensor, "grouping label"] | slice


def shuffled(count: int, seed: int = 0) -> Int64[np.ndarray, " label"]:
    """A fixed shuffle of so many labels; there is one for each seed."""
    return np.random.default_rng(seed).permutation(count)


class LabelOrder:
    """The order in which a vocabulary's labels are grouped.

    - "given": the vocabulary's own order.
    - "random": a fixed shuffle.
    - "redrawn": a new shuffle at every call in training, and the vocabulary's own order otherwise.
    - "similar": the order of the leaves of Ward's tree over the word vectors, so that a group's labels are similar.
    - "dissimilar": those leaves are given to the groups in turn, so that the labels of a group differ.

    Args:
        grouping: one of these.
        group_size: g, labels per group.
        groupings: how many shuffles predictions are averaged over; 1 takes the order above.
    """

    def __init__(self, grouping: str, group_size: int, groupings: int = 1):
        self.grouping, self.group_size, self.groupings = grouping, group_size, groupings
        # the last vocabulary's order is kept, because building a tree takes longer than a training step
        self._known: tuple[Tensor, int, Tensor] | None = None

    def of(self, vectors: Vectors, training: bool) -> Tensor | None:
        """The labels' indices (label,) in the order of their slots, or None for the vocabulary's own order."""
        count = len(vectors)
        if self.grouping == "given" or (self.grouping == "redrawn" and not training) or count == 1:
            return None
        if self.grouping == "redrawn":
            return torch.randperm(count, device=vectors.device)
        if torch.compiler.is_compiling():  # a decorator would import the compiler in every process
            return torch.compiler.disable(self._fixed)(vectors)
        return self._fixed(vectors)

    def by_group(self, vectors: Vectors, order: Tensor | None) -> Grouped:
        """The vectors in an order, by group; the last group is padded with zeros."""
        padded = F.pad(vectors if order is None else vectors[order], (0, 0, 0, -len(vectors) % self.group_size))
        return padded.unflatten(0, (-1, self.group_size))

    def grouped(self, vectors: Vectors, training: bool) -> tuple[Grouped, Places]:
        """The vectors by group, and the slot of each label: in the order of `of`, or in each of several shuffles.

        Returns:
            (group, slot, embed), and (label,) or (grouping, label).
        """
        if training or self.groupings == 1:
            order = self.of(vectors, training)
            return self.by_group(vectors, order), slice(len(vectors)) if order is None else order.argsort()
        seeds = range(self.groupings)
        orders = [torch.from_numpy(shuffled(len(vectors), seed)).to(vectors.device) for seed in seeds]
        parts = [self.by_group(vectors, order) for order in orders]
        slots = len(parts[0]) * self.group_size
        return torch.cat(parts), torch.stack([seed * slots + orders[seed].argsort() for seed in seeds])

    def _fixed(self, vectors: Tensor) -> Tensor:
        if self._known is not None:
            known, version, order = self._known
            if known is vectors and version == vectors._version:
                return order
        order = torch.from_numpy(self._computed(vectors.detach())).to(vectors.device)
        if not vectors.is_inference():  # torch does not count changes of inference tensors
            self._known = (vectors, vectors._version, order)
        return order

    def _computed(self, vectors: Tensor) -> np.ndarray:
        count, g = len(vectors), self.group_size
        if self.grouping == "random":
            return shuffled(count)
        from scipy.cluster.hierarchy import leaves_list, linkage

        leaves = leaves_list(linkage(vectors.float().cpu().numpy(), "ward")).astype(np.int64)
        if self.grouping == "similar":
            return leaves
        # slot by slot instead of group by group; the last group may be short
        slots = np.arange(-(-count // g) * g).reshape(-1, g).T.ravel()
        order = np.empty_like(leaves)
        order[slots[slots < count]] = leaves
        return order
