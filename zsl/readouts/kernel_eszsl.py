"""Kernel ESZSL: ESZSL on similarities to training images, with a classifier of their own for seen labels."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.metrics.average_precision import average_precision
from zsl.readouts.closed_form import ClosedFormReadout, Problem, Solution, Statistics
from zsl.readouts.company import nearest
from zsl.readouts.eszsl import RIDGES, Spectrum, choose_ridges, image_map, label_map
from zsl.readouts.normalisation import normalised
from zsl.readouts.pooled import pool
from zsl.readouts.readout import Features, Logits, Readout, ReadoutConfig, Vectors, checked, exact

SMALLEST = 1e-6  # directions of the landmarks below this share of the largest eigenvalue are rounding


class KernelEszslConfig(ReadoutConfig):
    """`KernelEszslReadout`; a ridge that is None is chosen on validation."""

    kind: Literal["kernel-eszsl"] = "kernel-eszsl"
    landmarks: int = Field(4096, ge=2)
    sharpness: PositiveFloat = 2.0
    own: float = Field(0.8, ge=0, le=1)
    image_ridge: PositiveFloat | None = None
    label_ridge: PositiveFloat | None = None
    own_ridge: PositiveFloat | None = None
    solved: ClassVar[bool] = True
    open_vocabulary: ClassVar[bool] = False
    sizes: ClassVar[tuple[str, ...]] = ("landmarks",)

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return KernelEszslReadout(channels, embed_dim, num_labels, self)


class KernelEszslReadout(ClosedFormReadout):
    """ESZSL (Romera-Paredes and Torr 2015) on a kernel, and a kernel ridge classifier of the seen labels.

    u is an image's unit-length mean token. z_1 ... z_M are those of M training images, the landmarks; of fewer
    images, all are taken. `k_m = exp(-s |u - z_m|^2 / v)` with v the mean of the landmarks' squared distances. Of
    `x = K^(-1/2) k` (Nystrom), two parts are computed, each centred and then normalised by image over the seen labels:

    - the text part `t_i = x W . n_i`, ESZSL's solution, for any label;
    - the own part `f_i = x R_i` of a seen label, R a ridge regression of the targets.

    The score is t_i for an unseen label and `(1 - a) t_i + a f_i` for a seen one. A label is seen if its word vector is
    that of a seen label.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        num_labels: N, the number of training labels.
        config: M = `landmarks`, s = `sharpness`, a = `own`, and the ridges, in units of the mean eigenvalue of the
            matrix that they are added to; of a ridge that is None, the value is chosen on validation.
    """

    places: Tensor
    spread: Tensor
    center: Tensor
    weight: Tensor
    own: Tensor
    seen: Tensor

    def __init__(self, channels: int, embed_dim: int, num_labels: int, config: KernelEszslConfig):
        super().__init__()
        self.config, self.embed_dim = config, embed_dim
        self.landmarks = config.landmarks
        self._sizes = {
            "places": (channels,),  # the landmarks z
            "center": (),  # the mean of k in training
            "weight": (embed_dim,),  # K^(-1/2) W
            "own": (num_labels,),  # K^(-1/2) R
        }
        self._allot(self.landmarks)
        self._unknown("spread", (1,))  # v / s
        self._unknown("seen", (num_labels, embed_dim))

    def _unknown(self, name: str, shape: tuple[int, ...]) -> None:
        """NaN until the readout is solved, so that scores of an unsolved one are an error."""
        self.register_parameter(name, nn.Parameter(torch.full(shape, torch.nan), requires_grad=False))

    def _allot(self, landmarks: int) -> None:
        """Makes room for this number of landmarks."""
        self.channels = landmarks
        for name, shape in self._sizes.items():
            self._unknown(name, (landmarks, *shape))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Of fewer training images than `landmarks`, all were taken."""
        saved = state_dict.get(f"{prefix}center")
        if saved is not None and 0 < len(saved) < self.landmarks:
            self._allot(len(saved))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def pooled(self, features: Features) -> Float[Tensor, "batch channel"]:
        """The mean token of each image, scaled to unit length."""
        return F.normalize(pool(features, self.leading), dim=1)

    def keep(self, images: Float[np.ndarray, "landmark channel"]) -> None:
        """Takes the landmarks.

        Raises:
            InputError: they are all the same.
        """
        places = torch.from_numpy(images).to(self.spread)
        self._allot(len(places))
        self.to(places.device)
        spread = self._squared_distances(places, places).mean()
        if not spread > 0:
            raise InputError("the pooled tokens are all the same, so there is nothing to solve")
        with torch.no_grad():
            self.places.copy_(places)
            self.spread.fill_(spread / self.config.sharpness)

    def read(self, features: Features) -> Float[Tensor, "batch landmark"]:
        """k, the similarities of each image to the landmarks."""
        with exact(features):
            return self._similar(self.pooled(features).to(self.places.dtype))

    def _similar(self, pooled: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch landmark"]:
        return (-self._squared_distances(pooled, self.places) / self.spread).exp()

    @staticmethod
    def _squared_distances(one: Float[Tensor, "a channel"], two: Float[Tensor, "b channel"]) -> Float[Tensor, "a b"]:
        """Of vectors of unit length."""
        return (2 - 2 * one @ two.T).clamp_min(0)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size.
        """
        chosen = checked(vectors, self.embed_dim).to(self.weight.dtype)
        known, place = self._seen_places(chosen)
        share = torch.where(known, self.config.own, 0.0)
        with exact(chosen):
            asked, reference = self.weight @ chosen.T, self.weight @ self.seen.T

        def logits(features: Tensor) -> Logits:
            with exact(features):
                images = self.read(features) - self.center
                text = normalised(images @ asked, images @ reference, "image")
                fitted = images @ self.own
                own = normalised(fitted, fitted, "image")[:, place]
                return text + share * (own - text)

        return logits

    def _seen_places(self, vectors: Vectors) -> tuple[Tensor, Tensor]:
        """Which labels have the word vector of a seen label, and the place of the nearest seen label."""
        place = nearest(vectors, self.seen)
        return (vectors == self.seen[place]).all(1), place

    def remember(self, vectors: Vectors | None) -> None:
        """Stores the training labels' vectors."""
        with torch.no_grad():
            self.seen.copy_(checked(vectors, self.embed_dim))

    def solve(self, problem: Problem) -> Solution:
        """Both solutions, with the given ridges or with those that are best on validation.

        The ridges of the text part are chosen as those of ESZSL, on seen labels that are left out; the ridge of the own
        part has the best mAP of seen labels.

        Raises:
            InputError: word vectors that are all the same; a single label, so that none can be held out.
        """
        whiten = self._whitening()
        whitened = _whitened(problem, whiten)
        gram, config = Spectrum(whitened.sums.gram, "the pooled tokens"), self.config
        grids = tuple(RIDGES if ridge is None else (ridge,) for ridge in (config.image_ridge, config.label_ridge))
        (image_ridge, label_ridge), told = (grids[0][0], grids[1][0]), "as given"
        if max(map(len, grids)) > 1:
            (image_ridge, label_ridge), best = choose_ridges(whitened, gram, (grids[0], grids[1]), "image")
            told = f"pseudo-unseen validation mAP {100 * best:.1f}"
        own_ridge = _best_own_ridge(whitened, gram) if config.own_ridge is None else config.own_ridge
        weight = image_map(gram, whitened.sums.cross @ label_map(problem.vectors, label_ridge), image_ridge)
        own = image_map(gram, whitened.sums.cross, own_ridge)
        with torch.no_grad():
            for kept, value in (
                (self.center, problem.sums.x / problem.sums.images),
                (self.weight, whiten @ weight),
                (self.own, whiten @ own),
                (self.seen, problem.vectors),
            ):
                kept.copy_(torch.from_numpy(value))
        text, fitted = (whitened.held @ seen_map for seen_map in (weight @ problem.vectors.T, own))
        text, fitted = (normalised(scores, scores, "image") for scores in (text, fitted))
        ridges = {"image_ridge": image_ridge, "label_ridge": label_ridge, "own_ridge": own_ridge}
        chosen = {f"decoder.{key}": ridge for key, ridge in ridges.items() if getattr(config, key) is None}
        note = f"image ridge {image_ridge:g}, label ridge {label_ridge:g} ({told}), own ridge {own_ridge:g}"
        return Solution(whiten @ own, (1 - config.own) * text + config.own * fitted, note, chosen)

    def _whitening(self) -> Float64[np.ndarray, "landmark direction"]:
        """`K^(-1/2)` of the landmarks' similarities; directions that are only rounding are 0."""
        from scipy.linalg import eigh

        with torch.no_grad():
            values, directions = eigh(self._similar(self.places).double().cpu().numpy())
        kept = values > SMALLEST * values[-1]
        return directions * np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)


def _whitened(problem: Problem, whiten: Float64[np.ndarray, "landmark direction"]) -> Problem:
    """The same problem for `x = k whiten`."""
    sums = problem.sums
    turned = Statistics(sums.images, sums.x @ whiten, sums.y, whiten.T @ sums.xx @ whiten, whiten.T @ sums.xy, sums.yy)
    return Problem(turned, problem.vectors, problem.held @ whiten, problem.values, problem.partial, problem.seed)


def _best_own_ridge(problem: Problem, gram: Spectrum) -> float:
    """The ridge of `RIDGES` with the best mAP of seen labels on validation, labels weighted by their positives."""
    images, inner = problem.held @ gram.vectors, gram.vectors.T @ problem.sums.cross
    found = []
    for ridge in RIDGES:
        scores = images @ (gram.damped(ridge)[:, None] * inner)
        ap = average_precision(
            normalised(scores, scores, "image"), problem.values > 0, problem.values != 0 if problem.partial else None
        )
        found.append(np.nansum(ap * (problem.values > 0).sum(0)))
    return RIDGES[int(np.argmax(found))]
