"""How the weights of a backbone read pictures."""

from dataclasses import dataclass

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Reading:
    """How a model's weights read pictures: the fields of `zsl.data.squares.Square`, and the pixels' statistics.

    `image_size` is None if the input is not square; `squash` is None if pictures are padded instead.
    """

    image_size: int | None
    interpolation: str
    crop: float
    squash: bool | None
    mean: Channels
    std: Channels
