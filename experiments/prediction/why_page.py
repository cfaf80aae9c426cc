"""The page that says why words were found in a picture: one HTML file that needs no other."""

import base64
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from embeddings.io.markup import visible
from zsl.prediction.heat_maps import HeatMap, overlaid
from zsl.prediction.prediction import Found
from zsl.prediction.reasons import Example, Neighbour, Reasons

if TYPE_CHECKING:
    import PIL.Image

SIDE, THUMBNAIL = 480, 128  # pixels of the longer side


@dataclass(frozen=True)
class Explained:
    """A word that was found, where the model looked for it (None if it cannot say), and what is near."""

    found: Found
    heat: HeatMap | None
    neighbours: tuple[Neighbour, ...]


def why_page(name: str, picture: "PIL.Image.Image", words: list[Explained], reasons: Reasons) -> str:
    """The page of a picture.

    Args:
        name: of the picture.
        picture: the whole picture, RGB.
        words: that were found in it, best first.
        reasons: has the training pictures.
    Returns:
        HTML; pictures are in it, small.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    told = []
    for word in words:
        heat = word.heat
        near = [asdict(one) | {"examples": [_shown(e, reasons) for e in one.examples]} for one in word.neighbours]
        drawing = "" if heat is None else _embedded(overlaid(picture, heat, SIDE))
        legend = "" if heat is None else f"{heat.colours}; {heat.legend[1]}"
        told.append({"found": word.found, "heat": drawing, "legend": legend, "neighbours": near})
    values = {
        "name": visible(name),  # the name of a file may hold bytes that are no text
        "model": visible(reasons.model_name),
        "picture": _embedded(_small(picture, SIDE)),
        "words": told,
    }
    return environment.get_template("why.html").render(values) + "\n"


def _shown(example: Example, reasons: Reasons) -> dict[str, object]:
    from PIL import Image

    pixels = reasons.pixels(example)
    picture = "" if pixels is None else _embedded(_small(Image.fromarray(pixels), THUMBNAIL))
    return {"name": visible(example.name), "similarity": example.similarity, "picture": picture}


def _small(picture: "PIL.Image.Image", side: int) -> "PIL.Image.Image":
    small = picture.copy()
    small.thumbnail((side, side))
    return small


def _embedded(picture: "PIL.Image.Image") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
