"""ESZSL: a linear map from pooled tokens to word vectors, solved in closed form.

Romera-Paredes and Torr 2015, "An embarrassingly simple approach to zero-shot learning".
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from pydantic import PositiveFloat
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.metrics.average_precision import average_precision
from zsl.readouts.closed_form import ClosedFormReadout, Problem, Solution
from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.normalisation import How, normalised
from zsl.readouts.pooled import pool, shares
from zsl.readouts.readout import (
    Features,
    Logits,
    Maps,
    Readout,
    ReadoutConfig,
    Seen,
    Vectors,
    checked,
    exact,
    tokens_of,
)

RIDGES = tuple(float(10.0**power) for power in range(-3, 4))
FOLDS = 5


class EszslConfig(ReadoutConfig):
    """`EszslReadout`; a ridge that is None is chosen on seen validation."""

    kind: Literal["eszsl"] = "eszsl"
    image_ridge: PositiveFloat | None = None
    label_ridge: PositiveFloat | None = None
    solved: ClassVar[bool] = True
    open_vocabulary: ClassVar[bool] = False

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return EszslReadout(channels, embed_dim, self.image_ridge, self.label_ridge)


class EszslReadout(ClosedFormReadout):
    """`(u - c) W . n_i` of the unit-length mean token u; W is solved (`zsl.training.solving`), not trained.

    c is the mean of u in training. There is no bias, because a word vector does not tell how rare its label is.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        image_ridge, label_ridge: the paper's two regularisers, each in units of its matrix's mean eigenvalue; if None,
            the value is chosen on validation.
    """

    looks = ("evidence",)
    reads_whole = True
    ridges: Tensor

    def __init__(
        self, channels: int, embed_dim: int, image_ridge: float | None = None, label_ridge: float | None = None
    ):
        super().__init__()
        self.channels, self.embed_dim = channels, embed_dim
        self.image_grid = RIDGES if image_ridge is None else (image_ridge,)
        self.label_grid = RIDGES if label_ridge is None else (label_ridge,)
        # NaN until they are solved, so that scores of an unsolved readout are an error
        self.weight = nn.Parameter(torch.full((channels, embed_dim), torch.nan), requires_grad=False)
        self.center = nn.Parameter(torch.full((channels,), torch.nan), requires_grad=False)
        self.register_buffer("ridges", torch.full((2,), torch.nan))

    def read(self, features: Features) -> Float[Tensor, "batch channel"]:
        """The mean token of each image, scaled to unit length, so that all images count equally."""
        return F.normalize(pool(features, self.leading), dim=1)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        weight = self._map(vectors)

        def logits(features: Tensor) -> Logits:
            with exact(features):
                return (self.read(features).to(weight.dtype) - self.center) @ weight

        return logits

    def _map(self, vectors: Vectors | None) -> Float[Tensor, "channel label"]:
        chosen = checked(vectors, self.embed_dim).T.to(self.weight.dtype)
        with exact(chosen):
            return self.weight @ chosen

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        weight, tokens = self._map(vectors), tokens_of(features).float()
        length = pool(tokens, self.leading).norm(dim=1).clamp_min(1e-12)  # as `read` scales the mean token
        return shares(tokens / length[:, None, None], weight, -self.center @ weight, self.leading)

    def solve(self, problem: Problem) -> Solution:
        """The paper's solution, with the given ridges or with those that are best on held-out labels.

        Raises:
            InputError: images or vectors that are all the same; a single label, so that none can be held out.
        """
        sums, vectors = problem.sums, problem.vectors
        gram, grids = Spectrum(sums.gram, "the pooled tokens"), (self.image_grid, self.label_grid)
        ridges, told, chosen = (grids[0][0], grids[1][0]), "as given", dict[str, Any]()
        if max(map(len, grids)) > 1:
            ridges, best = choose_ridges(problem, gram, grids)
            told = f"pseudo-unseen validation mAP {100 * best:.1f}"
            chosen = dict(zip(("decoder.image_ridge", "decoder.label_ridge"), ridges, strict=True))
        weight = image_map(gram, sums.cross @ label_map(vectors, ridges[1]), ridges[0])
        with torch.no_grad():
            for kept, value in ((self.weight, weight), (self.center, sums.x / sums.images)):
                kept.copy_(torch.from_numpy(value))
            self.ridges.copy_(torch.tensor(ridges))
        seen_map = weight @ vectors.T
        return Solution(
            seen_map, problem.held @ seen_map, f"image ridge {ridges[0]:g}, label ridge {ridges[1]:g} ({told})", chosen
        )


class Spectrum:
    """The eigenvalues of a symmetric matrix M, to compute `(M + r I)^-1` for many r, in units of M's mean eigenvalue.

    Raises:
        InputError: the matrix is zero.
    """

    def __init__(self, matrix: Float64[np.ndarray, "n n"], what: str):
        from scipy.linalg import eigh

        self.unit = float(np.trace(matrix)) / len(matrix)
        if not self.unit > 0:
            raise InputError(f"{what} are all the same, so there is nothing to solve")
        self.values, self.vectors = eigh(matrix)

    def damped(self, ridge: float) -> Float64[np.ndarray, " n"]:
        """The eigenvalues of the inverse."""
        return 1 / (self.values.clip(min=0) + ridge * self.unit)


def label_map(vectors: Float64[np.ndarray, "label embed"], ridge: float) -> Float64[np.ndarray, "label embed"]:
    """`S (S'S + l I)^-1`, which maps values of seen labels to word vectors; l in units of S'S's mean eigenvalue."""
    labels = Spectrum(vectors.T @ vectors, "the word vectors")
    return (vectors @ labels.vectors * labels.damped(ridge)) @ labels.vectors.T


def image_map(
    gram: Spectrum, cross: Float64[np.ndarray, "channel column"], ridge: float
) -> Float64[np.ndarray, "channel column"]:
    """`(X'X + g I)^-1 C`; with C = `X'Y label_map` it is ESZSL's W.

    W minimises `||X W S' - Y||^2 + g ||W S'||^2 + l ||X W||^2 + g l ||W||^2`.
    """
    return gram.vectors @ (gram.damped(ridge)[:, None] * (gram.vectors.T @ cross))


def choose_ridges(
    problem: Problem, gram: Spectrum, grids: tuple[Sequence[float], Sequence[float]], how: How = "none"
) -> tuple[tuple[float, float], float]:
    """The two ridges with the best mAP of held-out images on held-out seen labels; each label is held out once.

    Labels are weighted by their positives, because most labels have only one or two there, and their AP is mere chance.

    Args:
        problem: what is solved; its seed divides the labels into folds.
        gram: the spectrum of its X'X.
        grids: the ridges to choose from, image ridges and label ridges; of equally good ones the first is chosen.
        how: scores are normalised before they are compared, "none" or "image"; by those of the labels not left out.
    Returns:
        (image ridge, label ridge), weighted mAP as a fraction.
    Raises:
        InputError: fewer than two labels.
    """
    vectors, cross = problem.vectors, problem.sums.cross
    if len(vectors) < 2:
        raise InputError("one seen label cannot be divided into folds; set decoder.image_ridge and decoder.label_ridge")
    order = np.random.default_rng(problem.seed).permutation(len(vectors))
    projected = problem.held @ gram.vectors
    ap = np.full((len(grids[0]), len(grids[1]), len(vectors)), np.nan)
    for fold in np.array_split(order, min(FOLDS, len(order))):
        kept = np.setdiff1d(order, fold)
        labels = Spectrum(vectors[kept].T @ vectors[kept], "the word vectors")
        inner = gram.vectors.T @ (cross[:, kept] @ vectors[kept]) @ labels.vectors
        outer, outer_kept = (labels.vectors.T @ vectors[chosen].T for chosen in (fold, kept))
        values = problem.values[:, fold]
        for row, image_ridge in enumerate(grids[0]):
            images = projected @ (gram.damped(image_ridge)[:, None] * inner)
            for column, label_ridge in enumerate(grids[1]):
                weights = images * labels.damped(label_ridge)
                scores = normalised(weights @ outer, weights @ outer_kept, how)
                ap[row, column, fold] = average_precision(scores, values > 0, values != 0 if problem.partial else None)
    positives = (problem.values > 0).sum(0)
    mean = np.nansum(ap * positives, axis=2) / positives.sum()
    row, column = divmod(int(mean.argmax()), mean.shape[1])
    return (grids[0][row], grids[1][column]), float(mean[row, column])
