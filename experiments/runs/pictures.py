"""Test images as small JPEG pictures in base64, for files that hold them as text."""

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from zsl.data.dataset import MultiLabelData

QUALITIES = (88, 75, 60, 40, 20)  # of JPEG, best first


def thumbnail(data: "MultiLabelData", row: int, side: int, characters: int | None = None) -> str | None:
    """A test image as the model gets it.

    Args:
        data: the dataset.
        row: of the image in the test set.
        side: width and height at most, in pixels.
        characters: of the text at most; the quality and then the size are lowered until it fits. None for no bound.
    Returns:
        a JPEG in base64; None if the dataset holds tokens.
    """
    if data.kind != "images":
        return None
    pixels = data.test.inputs.read([row])[0].permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    while True:
        for quality in QUALITIES:
            text = _encoded(image, quality)
            if characters is None or len(text) <= characters:
                return text
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)))


def _encoded(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return base64.b64encode(buffer.getvalue()).decode()
