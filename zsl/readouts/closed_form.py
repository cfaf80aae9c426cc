"""Readouts that are solved in closed form: what they read from each image, and the problem that they solve."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from zsl.readouts.readout import Features, Readout


@dataclass
class Statistics:
    """Sums in float64 over training images x (channel) and targets y (label); the solution needs nothing else.

    y is 1 for a label that is present, else 0; where annotations are partial, -1 for a label known to be absent.
    """

    images: int
    x: Float64[np.ndarray, " channel"]
    y: Float64[np.ndarray, " label"]
    xx: Float64[np.ndarray, "channel channel"]
    xy: Float64[np.ndarray, "channel label"]
    yy: float

    @classmethod
    def of(cls, batches: Iterable[tuple[np.ndarray, np.ndarray]], channels: int, labels: int) -> "Statistics":
        """The sums over batches of x (batch, channel) and y (batch, label)."""
        products = np.zeros((channels, channels)), np.zeros((channels, labels))
        sums = cls(0, np.zeros(channels), np.zeros(labels), *products, 0.0)
        for x, y in batches:
            x, y = x.astype(np.float64), y.astype(np.float64)
            sums.images += len(x)
            sums.x += x.sum(0)
            sums.y += y.sum(0)
            sums.xx += x.T @ x
            sums.xy += x.T @ y
            sums.yy += float(np.square(y).sum())
        return sums

    @property
    def gram(self) -> Float64[np.ndarray, "channel channel"]:
        """X'X of centred images; with these, targets of 1 and 0 have the effect of the paper's 1 and -1."""
        return self.xx - np.outer(self.x, self.x) / self.images

    @property
    def cross(self) -> Float64[np.ndarray, "channel label"]:
        """X'Y of centred images and targets."""
        return self.xy - np.outer(self.x, self.y) / self.images


@dataclass(frozen=True)
class Problem:
    """What a closed-form readout is solved from.

    Args:
        sums: over the training images and their targets.
        vectors: (label, embed) of the seen labels.
        held: (image, channel), validation images minus the mean of the training images; used only to choose settings.
        values: (image, label), targets of the validation images: 1, 0, -1; at least one is 1.
        partial: whether 0 means not annotated.
        seed: of random choices.
    """

    sums: Statistics
    vectors: Float64[np.ndarray, "label embed"]
    held: Float[np.ndarray, "image channel"]
    values: np.ndarray
    partial: bool
    seed: int


@dataclass(frozen=True)
class Solution:
    """The solution of a `Problem`.

    Args:
        seen_map: W, from a centred image to scores of the seen labels; its squared error is the loss in the history.
        held_scores: the readout's scores of the validation images and the seen labels.
        note: one line about it, for progress reports.
        chosen: values that were chosen for keys of the run's config, by key.
    """

    seen_map: Float64[np.ndarray, "channel label"]
    held_scores: Float64[np.ndarray, "image label"]
    note: str
    chosen: dict[str, Any] = field(default_factory=dict)


class ClosedFormReadout(Readout):
    """A readout whose weights are a linear map from images to word vectors, found in one pass over the images.

    Attributes:
        channels: size of the vectors that `read` gives.
        landmarks: number of training images, at most, that `keep` is given before this pass; 0 for none.
    """

    channels: int
    landmarks: int = 0

    @abstractmethod
    def read(self, features: Features) -> Float[Tensor, "batch channel"]:
        """The vector of each image that the solution is computed from."""

    def pooled(self, features: Features) -> Float[Tensor, "batch token"]:
        """The vector of each image that `keep` is given."""
        raise NotImplementedError

    def keep(self, images: Float[np.ndarray, "landmark token"]) -> None:
        """Stores the `pooled` vectors of training images, which `read` compares each image with.

        Raises:
            InputError: vectors that are all the same.
        """
        raise NotImplementedError

    @abstractmethod
    def solve(self, problem: Problem) -> Solution:
        """Computes the weights and stores them in the readout.

        Args:
            problem: sums over the training images, word vectors and validation images.
        Returns:
            the solution.
        Raises:
            InputError: images or vectors that are all the same.
        """
