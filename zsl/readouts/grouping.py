"""Which labels share a group: an order of the vocabulary, in which consecutive labels form the groups."""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from zsl.readouts.readout import Vectors

Grouping = Literal["given", "random", "redrawn", "similar", "dissimilar"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)


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
    """

    def __init__(self, grouping: str, group_size: int):
        self.grouping, self.group_size = grouping, group_size
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
            return np.random.default_rng(0).permutation(count)
        from scipy.cluster.hierarchy import leaves_list, linkage

        leaves = leaves_list(linkage(vectors.float().cpu().numpy(), "ward")).astype(np.int64)
        if self.grouping == "similar":
            return leaves
        # slot by slot instead of group by group; the last group may be short
        slots = np.arange(-(-count // g) * g).reshape(-1, g).T.ravel()
        order = np.empty_like(leaves)
        order[slots[slots < count]] = leaves
        return order
