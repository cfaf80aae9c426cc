"""Batches in, metrics out; on any number of processes."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float

from zsl.metrics.arrays import Scores, Targets, as_binary, as_known, as_scores, check_finite
from zsl.metrics.average_precision import precision_of
from zsl.metrics.f1 import Counts, threshold_counts, top_k_counts
from zsl.metrics.label_ranking import LabelRanking, mean_over_images, ranking_of_images


class MetricStream:
    """Collects batches of scores and targets, and measures all their images together.

    AP ranks all images, so their scores are kept in host memory; the other measures only keep counts. Measures do not
    depend on the order of the batches, nor on how they are divided among processes.

    Args:
        k: the K of F1@K.
        thresholds: of `f1_at_threshold`.
        ap: whether average precision is needed.
        ranking: whether `label_ranking` is needed; it does not support partial annotations.
    """

    def __init__(self, k: Sequence[int] = (), thresholds: Sequence[float] = (), ap: bool = True, ranking: bool = False):
        self.k, self.thresholds, self.ap, self.ranking = tuple(k), tuple(thresholds), ap, ranking
        self.images = 0
        self._scores: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []
        self._known: list[np.ndarray] = []
        self._top: dict[int, list[Counts]] = {k: [] for k in self.k}
        self._above: dict[float, list[Counts]] = {threshold: [] for threshold in self.thresholds}
        self._rankings: list[np.ndarray] = []

    def update(self, scores: Scores, targets: Targets, annotated: Targets | None = None) -> None:
        """Adds a batch. Give `annotated` with every batch or with none.

        Raises:
            ValueError: same as for `average_precision`; the batch is then not added.
        """
        values = as_scores(scores)
        truth, known = as_binary(targets, values.shape), as_known(annotated, values.shape)
        if self._scores and self._scores[0].shape[1] != values.shape[1]:
            raise ValueError(f"a batch of {values.shape[1]} labels follows batches of {self._scores[0].shape[1]}")
        if self.images and (known is not None) != bool(self._known):
            raise ValueError("give annotated with every batch, or with none")
        if known is not None and self.ranking:
            raise ValueError("label ranking needs complete annotations")
        check_finite(values, self.images)
        top = top_k_counts(values, truth, self.k, known)
        for threshold, parts in self._above.items():
            parts.append(threshold_counts(values, truth, threshold, known))
        for k, counts in top.items():
            self._top[k].append(counts)
        if self.ranking:
            self._rankings.append(ranking_of_images(values, truth))
        if self.ap:
            # copies, because a loader or a model may reuse the memory
            self._scores.append(values.copy())
            self._targets.append(truth.copy())
        if known is not None:
            self._known.append(known.copy())
        self.images += len(values)

    def average_precision(self) -> Float[np.ndarray, " label"]:
        """AP of each label, NaN without positives."""
        if not self.ap or not self._scores:
            raise ValueError("no scores were kept: give ap=True, and batches")
        return precision_of(self._scores, self._targets, self._known or None)

    def at_k(self, k: int) -> Counts:
        """Counts of the K best labels of every image."""
        return reduce(Counts.__add__, self._top[k])

    def at_threshold(self, threshold: float) -> Counts:
        """Counts of the labels above a threshold."""
        return reduce(Counts.__add__, self._above[threshold])

    def label_ranking(self) -> LabelRanking:
        """Ranking loss, coverage and label-ranking AP."""
        return mean_over_images(np.concatenate(self._rankings))

    def gather(self, accelerator: Accelerator) -> None:
        """Gathers the batches of all processes on each process; for AP, every process then holds all scores."""
        if accelerator.num_processes == 1:
            return

        def everywhere(values: np.ndarray) -> np.ndarray:
            # not every backend sends truth values
            local = torch.from_numpy(values.view(np.uint8) if values.dtype == np.bool_ else values)
            local = local.to(accelerator.device)
            sizes = accelerator.gather(torch.tensor([len(values)], device=accelerator.device)).tolist()
            padded = accelerator.pad_across_processes(local)
            parts = accelerator.gather(padded).unflatten(0, (accelerator.num_processes, -1)).cpu().numpy()
            whole = np.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)])
            return whole.view(values.dtype)

        for parts in (self._scores, self._targets, self._known, self._rankings):
            if parts:
                parts[:] = [everywhere(np.concatenate(parts))]
        for counts in [*self._top.values(), *self._above.values()]:
            whole = reduce(Counts.__add__, counts)
            stacked = everywhere(np.stack([whole.hits, whole.chosen, whole.positives])[None])
            counts[:] = [Counts(*stacked.sum(0))]
        self.images = int(everywhere(np.array([self.images])).sum())
