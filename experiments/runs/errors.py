"""`errors.json` of a run's folder: the test images that a model ranks worst, and the labels that it confuses."""

from typing import NamedTuple, Self

from pydantic import BaseModel, FiniteFloat, model_validator

NAME = "errors.json"
LISTED = 1000  # images of each protocol
SIDE = 160  # pixels of a picture
CHARACTERS = 8192  # of a picture in base64


class Shown(NamedTuple):
    """A label of an image, in files a list of four values.

    Args:
        label: its place in `Errors.labels`.
        rank: among the labels that the protocol ranks, from 1.
        score: of the model.
        right: whether the image shows it; None if nobody annotated it.
    """

    label: int
    rank: int
    score: FiniteFloat
    right: bool | None


class Listed(BaseModel):
    """A test image: its row in the test set, its AP, its true labels and the best ones."""

    image: int
    ap: FiniteFloat
    true: list[Shown]
    top: list[Shown]


class Confused(NamedTuple):
    """`zsl.evaluation.confusions.Confusion` of a label, by places in `Errors.labels`."""

    label: int
    positives: int
    missed: int
    instead: list[tuple[int, int]]


class Ranked(BaseModel):
    """The errors under one protocol.

    `ranked` is the number of test images that show one of its labels, and so have an AP. `images` are the worst of
    them, and `confused` has the labels that are missed in an image.
    """

    ranked: int
    images: list[Listed]
    confused: list[Confused]


class Errors(BaseModel):
    """The errors of a run, by protocol, with names and pictures (JPEG in base64) of images by row."""

    test_images: int
    best: int
    labels: list[str]
    seen: int
    protocols: dict[str, Ranked]
    names: dict[int, str]
    pictures: dict[int, str]

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Checks that every label and every image that is named is there."""
        for part in self.protocols.values():
            places = {shown.label for image in part.images for shown in (*image.true, *image.top)}
            places |= {label for one in part.confused for label in (one.label, *(other for other, _ in one.instead))}
            if not places <= set(range(len(self.labels))):
                raise ValueError(f"a label is not among the {len(self.labels)} labels")
            if not {image.image for image in part.images} <= self.names.keys():
                raise ValueError("an image has no name")
        return self
