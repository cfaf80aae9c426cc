"""The company of a label: the other labels of its group, which its logit depends on in group decoding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from embeddings.io.errors import InputError

Company = Literal["grouped", "anchored", "alone"]
COMPANIES: tuple[Company, ...] = get_args(Company)
TIE = 1e-9  # cosines and distances, in float64, that differ by less are equal up to rounding


@dataclass(frozen=True)
class Seats:
    """For each label that is asked by itself, the group and the slot in which it is asked.

    Args:
        groups: (group, slot, embed), the word vectors of the labels which are the company; empty slots are zero.
        group: (label,) the group of each label.
        slot: (label,) its slot there; it replaces the label that has this slot.
        emptied: (label,) a slot of the group that is empty too; `slot` itself if there is none.
    """

    groups: Float[Tensor, "group slot embed"]
    group: Int64[Tensor, " label"]
    slot: Int64[Tensor, " label"]
    emptied: Int64[Tensor, " label"]


def chosen_company(company: Company | None, known: tuple[Company, ...], readout: str) -> Company | None:
    """Checks the company that labels are to be asked in.

    Args:
        company: None chooses the first known one.
        known: those of the readout, the best default first.
        readout: its name, for the message.
    Returns:
        the company; None for a readout that has none, because its labels never influence each other.
    Raises:
        InputError: the readout has no such company.
    """
    if company is None:
        return known[0] if known else None
    if company in known:
        return company
    if company not in COMPANIES:
        raise InputError(f"unknown company {company!r}; known: {', '.join(COMPANIES)}")
    if not known:
        raise InputError(f"company = {company!r}: {readout} has none to choose, because it scores each label by itself")
    raise InputError(f"company = {company!r}: {readout} can ask a label by itself only {' or '.join(known)}")


def nearest(
    vectors: Float[Tensor, "label embed"],
    trained: Float[Tensor, "seen embed"],
    without: Int64[Tensor, " label"] | None = None,
) -> Int64[Tensor, " label"]:
    """The seen label with the highest cosine to each label.

    Parallel vectors have equal cosines; the one at the smaller distance is taken, so a seen label's nearest label is
    itself. Of seen labels with equal vectors, the first is taken.

    >>> nearest(torch.tensor([[3.0, 1.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]])).tolist()
    [2, 0]

    Args:
        vectors: (label, embed).
        trained: (seen, embed), word vectors of the seen labels.
        without: (label,) a seen label that each label must not be given.
    Returns:
        (label,) indices into `trained`.
    Raises:
        InputError: vectors of different sizes; only one seen label, where one is left out.
    """
    if vectors.ndim != 2 or trained.ndim != 2 or vectors.shape[1] != trained.shape[1]:
        raise InputError(f"vectors {tuple(vectors.shape)} and trained {tuple(trained.shape)} differ in size")
    if without is not None and len(trained) < 2:
        raise InputError("there is no other seen label")
    one, two = vectors.double(), trained.double()
    square, other = one.square().sum(1, keepdim=True), two.square().sum(1)
    products = one @ two.T
    cosines = products / (square.sqrt() * other.sqrt()).clamp_min(torch.finfo(products.dtype).tiny)
    if without is not None:
        cosines = cosines.scatter(1, without[:, None], -torch.inf)
    closest = cosines >= cosines.amax(1, keepdim=True) - TIE
    distances = (square + other - 2 * products).masked_fill(~closest, torch.inf)
    first = distances <= distances.amin(1, keepdim=True) + TIE * square
    return first.to(torch.uint8).argmax(1)


def of_all(trained: Float[Tensor, "seen embed"] | None, seen: int) -> Float[Tensor, "seen embed"]:
    """Checks that there are word vectors of all seen labels.

    Raises:
        InputError: there are none, or of another number of labels.
    """
    if trained is None:
        raise InputError("company = 'anchored' needs the word vectors of the seen labels")
    if len(trained) != seen:
        raise InputError(f"trained holds vectors of {len(trained)} labels, but the readout was trained on {seen}")
    return trained


def of_nearest(bound: Callable[[Tensor], Tensor], places: Int64[Tensor, " label"]) -> Callable[[Tensor], Tensor]:
    """A function from features to logits in which each label has the logit of a seen label.

    Args:
        bound: features to the logits (batch, seen) of the seen labels.
        places: (label,) the seen label of each label, from `nearest`.
    """

    def logits(features: Tensor) -> Tensor:
        return bound(features)[:, places]

    return logits
