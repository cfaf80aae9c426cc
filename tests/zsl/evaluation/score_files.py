"""Scores and targets in every form of file, for the tests of what reads them."""

import numpy as np

LABELS = ("sky", "polar bear", "été")
IMAGES = tuple(f"{n}.jpg" for n in range(7))
SCORES = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
TARGETS = (np.arange(21).reshape(7, 3) % 4 == 0).astype(int)


def write_csv(path, values, labels=LABELS, images=IMAGES):
    """A line an image."""
    lines = [",".join(["image", *labels])]
    lines += [",".join([image, *map(repr, row)]) for image, row in zip(images, values.tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_all(folder, values, key):
    """The same values as .npy, .npz and .csv, with names where the form has any."""
    np.save(folder / f"{key}.npy", values)
    np.savez(folder / f"{key}.npz", **{key: values}, labels=np.array(LABELS), images=np.array(IMAGES))
    write_csv(folder / f"{key}.csv", values)
    return {suffix: folder / f"{key}.{suffix}" for suffix in ("npy", "npz", "csv")}
