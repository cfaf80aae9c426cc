"""Normalisation of scores: those of an image are put on a scale of its own, or those of a label on one of the label's.

Average precision ranks the images of one label, so it depends on how high an image's scores are as a whole. The
reference of an image is always the seen labels, so a label's score does not depend on the other labels that are asked.
The reference of a label is all images that are scored, so single pictures do not have it.
"""

from typing import Any, Literal, NamedTuple, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from embeddings.io.errors import InputError

How = Literal["none", "image", "softmax", "label"]
OfPicture = Literal["none", "image", "softmax"]  # those that a picture by itself can have
HOWS: tuple[How, ...] = get_args(How)
Scores = TypeVar("Scores", np.ndarray, Tensor)
EQUAL = 1e-6  # scores that differ by less, relative to the largest, differ by rounding


def normalised(scores: Scores, reference: Scores, how: str, temperature: float = 1.0, counted: Any = None) -> Scores:
    """Scores that can be compared between images or labels, and between models.

    - "none": the scores as they are.
    - "image": `(f_i - mean_s f_s) / std_s f_s`, over the seen labels s. Where an image's seen scores are all equal,
      its scores are only centred.
    - "softmax": `z_i / T - log(exp(z_i / T) + sum_s exp(z_s / T))`: the log-probability of the label among the seen
      labels and itself. A seen label is in the sum already, and is not counted twice.
    - "label": `(f_i - mean f_i) / std f_i`, over all images that are given. Where a label's scores are all equal, they
      are only centred. The ranking of a label's images stays as it is.

    >>> normalised(np.array([[4.0, 7.0]]), np.array([[1.0, 3.0]]), "image")
    array([[2., 5.]])

    Args:
        scores: (image, label), of any labels; numpy or torch, on any device.
        reference: (image, seen), scores of all seen labels by the same model; "label" does not use them.
        how: one of the four.
        temperature: T > 0, of "softmax".
        counted: (label,) bool, which of the labels are seen; "softmax" needs it.
    Returns:
        (image, label), of the kind and type of `scores`.
    Raises:
        ValueError: shapes that do not fit; an unknown `how`; "softmax" without `counted`.
    """
    if how not in HOWS or (how == "softmax" and (counted is None or not temperature > 0)):
        raise ValueError(f"how = {how!r}, temperature = {temperature}: one of {HOWS}; softmax needs counted and T > 0")
    # `len` of a tensor would fix the number of images of an exported graph
    if scores.ndim != 2 or reference.ndim != 2 or scores.shape[0] != reference.shape[0] or not reference.shape[1]:
        raise ValueError(f"scores {tuple(scores.shape)} and reference {tuple(reference.shape)} must be (image, label)")
    if how == "none":
        return scores
    if isinstance(scores, np.ndarray):
        given = (torch.tensor(scores), torch.tensor(reference))
        return normalised(*given, how, temperature, counted).numpy()
    if how in ("image", "label"):
        mean, spread = scale_of(reference) if how == "image" else scale_of(scores, 0)
        return (scores - mean) / spread
    total = (reference / temperature).logsumexp(1, keepdim=True)
    known = torch.as_tensor(counted, device=scores.device)
    return scores / temperature - torch.where(known, total, torch.logaddexp(total, scores / temperature))


def scale_of(scores: Tensor, over: Literal[0, 1] = 1) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation of scores, each image's or each label's; 1 in place of a deviation of 0.

    Args:
        scores: (image, label), of all seen labels or of all images.
        over: 1 for those of each image, both (image, 1); 0 for those of each label, both (1, label).
    """
    mean = scores.mean(over, keepdim=True)
    spread = (scores - mean).square().mean(over, keepdim=True).sqrt()
    return mean, torch.where(spread > EQUAL * scores.abs().amax(over, keepdim=True), spread, 1.0)


def begins_with(vectors: Float[Tensor, "label embed"], trained: Float[Tensor, "seen embed"]) -> bool:
    """Whether a vocabulary begins with the seen labels, so that its own scores hold the reference.

    Args:
        vectors: (label, embed) of the vocabulary. In an exported graph it is not known, so the answer is no.
        trained: (seen, embed), word vectors of the seen labels in the order of training.
    """
    count = len(trained)
    return not torch.compiler.is_compiling() and len(vectors) >= count and torch.equal(vectors[:count], trained)


class Normalisation(NamedTuple):
    """How scores are normalised: `evaluate.normalise` and `evaluate.temperature`."""

    how: How = "none"
    temperature: float = 1.0

    def of(self, scores: Scores, reference: Scores, counted: Any) -> Scores:
        """`normalised` scores; the arguments are the same."""
        return normalised(scores, reference, self.how, self.temperature, counted)

    def independent(self, softmax: bool) -> "Normalisation":
        """The normalisation with which a label's score depends on no other label but the seen ones.

        Args:
            softmax: whether the model was trained with softmax. Its scores mean nothing without a normalisation, so
                "none" becomes "softmax" at temperature 1.
        """
        return Normalisation("softmax") if softmax and self.how == "none" else self

    @property
    def of_picture(self) -> OfPicture:
        """`how`, for scores of single pictures.

        Raises:
            InputError: "label", which single pictures cannot have.
        """
        if self.how == "label":
            told = "normalise = 'label' needs the scores of a whole test set, which single pictures do not have"
            raise InputError(f"{told}; choose 'none', 'image' or 'softmax'")
        return self.how

    @property
    def told(self) -> str:
        """In words, for stamps and messages: "none", "image", "softmax, temperature 2", ..."""
        if self.how == "label":
            return "label over the test images (transductive)"
        return self.how if self.how != "softmax" else f"softmax, temperature {self.temperature:g}"


AS_THEY_ARE = Normalisation()
