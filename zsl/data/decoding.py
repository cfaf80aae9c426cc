"""Pictures to squares of pixels: files, and pictures in memory."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings.io.errors import InputError
from zsl.data.squares import Square

if TYPE_CHECKING:
    import PIL.Image

LISTED = "replace it, or list such images by zsl data check --bad FILE and set data.exclude=FILE"


def decode(source: Path | BytesIO, square: Square, remedy: str = LISTED, name: str | None = None) -> np.ndarray:
    """The square of an image file.

    EXIF orientation is applied; of an animation the first frame is read.

    Args:
        source: the file's path, or its content.
        square: resize and crop.
        remedy: what to do if it does not decode, for the message.
        name: of the image, for the message; None for the path.
    Returns:
        (size, size, 3) uint8, RGB.
    Raises:
        InputError: the file is missing, damaged, or has more pixels than Pillow's limit.
    """
    try:
        with open_picture(source) as image:
            return np.asarray(square.of(image))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds of errors on a damaged file
        raise undecoded(str(source) if name is None else name, error, remedy) from error


def open_picture(source: Path | BytesIO) -> "PIL.Image.Image":
    """The whole picture of a file, upright and in RGB.

    Raises:
        Exception: Pillow's decoders raise many kinds of errors on a damaged file.
    """
    from PIL import Image, ImageOps

    # Pillow warns above 89 million pixels, and refuses twice as many
    bombs = warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning)
    with bombs, Image.open(source) as image:
        ImageOps.exif_transpose(image, in_place=True)
        image.load()  # the file is closed on return
        return as_rgb(image)


def as_rgb(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """RGB with 8 bits per channel; 16-bit grey is scaled, because Pillow's own conversion would clip it to white."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of 32 bits, mode {image.mode}; convert it to 8 bits")
    return image if image.mode == "RGB" else image.convert("RGB")


def undecoded(name: str, error: Exception, remedy: str) -> InputError:
    """The error for an image that does not open or decode, with the reason of the system or of Pillow."""
    reason = (isinstance(error, OSError) and error.strerror) or str(error).replace(name, "the file")
    return InputError(f"image {name} does not decode ({reason}); {remedy}")
