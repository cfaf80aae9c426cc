"""Images that a list leaves out, such as those that an audit found broken."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from embeddings import InputError
from embeddings.texts import read_lines
from zsl.config import Config
from zsl.data.dataset import ImageFiles, MultiLabelData, Part


class ImagesConfig(Config):
    """Of every dataset of image files: the side of the square that they are resized to, and a file that lists the
    paths of images to leave out (`zsl data check --bad` writes one).
    """

    image_size: int = Field(224, ge=8)
    exclude: Path | None = None


def excluding(data: MultiLabelData, listed: Path) -> MultiLabelData:
    """The dataset without the images whose paths a file lists, one a line.

    Raises:
        InputError: no such file, no image left.
    """
    paths = (
        {line for _, line in read_lines(listed, "image paths")} if listed.is_file() and listed.stat().st_size else set()
    )
    if not listed.is_file():
        raise InputError(f"no file of image paths {listed}")
    parts: dict[str, Part] = {}
    left_out = 0
    for name, part in (("train", data.train), ("test", data.test)):
        assert isinstance(part.inputs, ImageFiles)
        kept = np.array([str(path) not in paths for path in part.inputs.paths])
        if not kept.any():
            raise InputError(f"{listed} leaves no {name} image of {data.name}")
        files = tuple(path for path, keep in zip(part.inputs.paths, kept, strict=True) if keep)
        parts[name] = Part(replace(part.inputs, paths=files), part.targets[kept])
        left_out += int((~kept).sum())
    if not left_out:
        return data
    digest = hashlib.sha256("\n".join([data.fingerprint, *sorted(paths)]).encode()).hexdigest()
    note = f"{left_out:,} images that {listed.name} lists are left out"
    return replace(
        data, train=parts["train"], test=parts["test"], fingerprint=f"sha256 {digest}", notes=(*data.notes, note)
    )
