"""Divisions of training data that are the same for every config: of images for validation, of labels into folds."""

import numpy as np

from embeddings.io.errors import InputError


def split_rows(images: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Divides images at random, in the same way for every config and seed.

    Args:
        images: number of training images.
        share: of the validation images.
    Returns:
        the rows to train on, the rows to validate on, both ascending.
    Raises:
        InputError: no image is left to train on.
    """
    order = np.random.default_rng(0).permutation(images)
    held = max(1, round(share * images))
    if held >= images:
        raise InputError(f"{images} training images leave none to train on; lower train.validation")
    return np.sort(order[held:]), np.sort(order[:held])


def fold_columns(labels: int, folds: int, fold: int, seed: int = 0) -> np.ndarray:
    """The labels of a fold: one of equal parts of a random order.

    Args:
        labels: number of seen labels.
        folds: number of parts.
        fold: which part, counted from 0.
        seed: of the order.
    Returns:
        (label,) columns, ascending.
    Raises:
        InputError: fewer labels than folds.
    """
    if labels < folds:
        raise InputError(f"{labels} seen labels cannot be divided into {folds} folds; take fewer folds")
    return np.sort(np.array_split(np.random.default_rng(seed).permutation(labels), folds)[fold])
