"""Transforms of encoded vectors, fitted on the seen labels only; a bank stores them and applies them to new labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from embeddings.io.errors import InputError
from embeddings.io.mapping import blocks

SMALLEST_VARIANCE = 1e-6  # relative to the largest; smaller ones are rounding errors, which whitening would magnify

Vectors = Float[np.ndarray, "label embed"]


@dataclass(frozen=True, eq=False)
class Transform:
    """A fitted transform.

    Args:
        name: "l2", "center", "whiten" or "pca:WIDTH".
        arrays: the fitted numbers: "widths" of the parts, or "mean" (embed,) and perhaps "matrix" (embed, width).
    """

    name: str
    arrays: Mapping[str, np.ndarray]

    @property
    def width(self) -> int:
        """The width of the vectors that it takes."""
        return int(self.arrays["widths"].sum()) if "widths" in self.arrays else len(self.arrays["mean"])

    def __call__(self, vectors: Vectors) -> Float[np.ndarray, "label width"]:
        """The transformed vectors, (label, width) float64."""
        values = np.asarray(vectors, np.float64)
        if "widths" in self.arrays:
            return _unit(values, self.arrays["widths"])
        values = values - self.arrays["mean"]
        return values @ self.arrays["matrix"] if "matrix" in self.arrays else values


def _unit(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    parts = np.split(values, np.cumsum(widths)[:-1], axis=1)
    norms = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    scaled = [part / np.where(norm > 0, norm, 1) for part, norm in zip(parts, norms, strict=True)]
    return np.concatenate(scaled, axis=1) / len(widths) ** 0.5


@dataclass
class _Moments:
    """Mean and covariance (n - 1) of seen vectors, one block of rows at a time."""

    mean: np.ndarray
    covariance: np.ndarray


def _moments(parts: Iterator[np.ndarray]) -> _Moments:
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    shift: np.ndarray | None = None
    for rows in parts:
        block = np.asarray(rows, np.float64)
        if shift is None:  # sums relative to a point near the mean keep their precision
            shift = block.mean(axis=0)
            total, products = np.zeros_like(shift), np.zeros((len(shift), len(shift)))
        centred = block - shift
        count += len(block)
        total += centred.sum(axis=0)
        products += centred.T @ centred
    assert shift is not None
    return _Moments(shift + total / count, (products - np.outer(total, total) / count) / max(count - 1, 1))


def _components(moments: _Moments) -> tuple[np.ndarray, np.ndarray]:
    """Variances, largest first, and their directions (embed, component), each with its largest entry positive."""
    variances, directions = np.linalg.eigh(moments.covariance)
    variances, directions = variances[::-1], directions[:, ::-1]
    kept = variances > SMALLEST_VARIANCE * max(variances[0], np.finfo(float).tiny)
    variances, directions = variances[kept], directions[:, kept]
    peaks = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    return variances, directions * np.sign(peaks)


def _l2(argument: str, seen: Iterator[np.ndarray], widths: Sequence[int]) -> dict[str, np.ndarray]:
    """Scales vectors to norm 1; the parts of joined encoders get equal norms, so that none outweighs another."""
    return {"widths": np.array(widths, np.int64)}


def _center(argument: str, seen: Iterator[np.ndarray], widths: Sequence[int]) -> dict[str, np.ndarray]:
    """Subtracts the mean of the seen labels."""
    return {"mean": _moments(seen).mean}


def _whiten(argument: str, seen: Iterator[np.ndarray], widths: Sequence[int]) -> dict[str, np.ndarray]:
    """PCA whitening: uncorrelated dimensions of variance 1 over the seen labels, as many as these span."""
    moments = _moments(seen)
    variances, directions = _components(moments)
    if not len(variances):
        raise InputError("transform whiten: the seen labels' vectors do not vary")
    return {"mean": moments.mean, "matrix": directions / np.sqrt(variances)}


def _pca(argument: str, seen: Iterator[np.ndarray], widths: Sequence[int]) -> dict[str, np.ndarray]:
    """Keeps the directions in which the seen labels vary most."""
    if not (argument.isdecimal() and len(argument) <= 10 and int(argument) > 0):
        raise InputError(f"transform pca:{argument[:40]} - write pca:WIDTH")
    moments = _moments(seen)
    variances, directions = _components(moments)
    if int(argument) > len(variances):
        raise InputError(f"transform pca:{argument}: the seen labels' vectors span only {len(variances)} dimensions")
    return {"mean": moments.mean, "matrix": directions[:, : int(argument)]}


Fit = Callable[[str, Iterator[np.ndarray], Sequence[int]], dict[str, np.ndarray]]
TRANSFORMS: dict[str, Fit] = {"l2": _l2, "center": _center, "whiten": _whiten, "pca": _pca}


def check_transforms(names: Sequence[str]) -> None:
    """Checks that every name is in `TRANSFORMS`; only "pca" may be followed by a width, as in "pca:64".

    Args:
        names: transforms.
    Raises:
        InputError: an unknown name.
    """
    for name in names:
        kind, _, argument = name.partition(":")
        if kind not in TRANSFORMS or (argument and kind != "pca"):
            raise InputError(f"unknown transform {name!r}; known: l2, center, whiten, pca:WIDTH")


def fit_transforms(names: Sequence[str], seen: Vectors, widths: Sequence[int]) -> tuple[Transform, ...]:
    """Fits each transform on the seen labels' vectors after the transforms before it.

    Args:
        names: keys of `TRANSFORMS`; "pca" with its width, as in "pca:64".
        seen: (label, embed), the seen labels' vectors.
        widths: the width of each encoder's part of a vector; one for a single encoder.
    Returns:
        the fitted transforms, in order.
    Raises:
        InputError: an unknown name, a width that the vectors do not span.
    """
    check_transforms(names)
    fitted: list[Transform] = []
    for name in names:
        kind, _, argument = name.partition(":")
        transform = Transform(name, TRANSFORMS[kind](argument, transformed(seen, fitted), widths))
        if "matrix" in transform.arrays:
            widths = (transform.arrays["matrix"].shape[1],)  # the parts are mixed from here on
        fitted.append(transform)
    return tuple(fitted)


def transformed(vectors: Vectors, transforms: Sequence[Transform]) -> Iterator[np.ndarray]:
    """The vectors after all transforms, in blocks of rows.

    Args:
        vectors: (label, embed).
        transforms: fitted ones, in order.
    Yields:
        (row, width): float64; the dtype of `vectors` if there are no transforms.
    """
    for block in blocks(vectors):
        for transform in transforms:
            block = transform(block)
        yield block
