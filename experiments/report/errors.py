"""The worst test images and the confused labels of a table's runs, bounded so that they fit in a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embeddings.io.reading import read_model
from experiments.runs.errors import LISTED, Errors, Ranked, Shown
from experiments.tables.table_folder import AGAIN, TableFolder

PICTURES = 8_000_000  # letters of all pictures of a table, in base64: 1,000 of the largest ones
ENTRIES = 20_000  # images listed by all variants and protocols of a table together
FIRST = 12  # images that need no JavaScript
WORST = 20  # labels of the table of confusions
ORDER = ("gzsl", "closed", "zsl")  # of protocols; the first one that a run has is shown first


@dataclass(frozen=True)
class View:
    """The errors of a variant's first seed under one protocol, numbered as in the whole table."""

    variant: int
    protocol: str
    ranked: int
    images: list[dict[str, Any]]
    confused: list[dict[str, Any]]


def error_data(folder: TableFolder, titles: Sequence[str], best: int) -> dict[str, Any] | None:
    """What the page shows of errors; None if no run has any.

    Args:
        folder: of the table.
        titles: the names of the variants.
        best: the place of the variant that is shown first.
    Returns:
        for the template: `first`, the view that is shown without JavaScript, `pictured` and `listed`, the numbers of
        images with a picture and of all, and `embedded`, the data of the page's script.
    Raises:
        InputError: a damaged `errors.json`.
    """
    found = {}
    for place, axes in enumerate(folder.variants):
        path = next((run.errors for run in folder.of(axes) if run.errors is not None), None)
        if path is not None:
            found[place] = read_model(path, Errors, AGAIN)
    if not found:
        return None
    table = _Numbers(found)
    views = [table.view(place, protocol) for place, errors in found.items() for protocol in _ordered(errors)]
    shown = best if best in found else next(iter(found))
    first = next(view for view in views if view.variant == shown)
    pictures = table.pictures([first, *(view for view in views if view is not first)])
    return {
        "first": first,
        "labels": table.labels,
        "unseen": table.unseen,
        "names": table.names,
        "pictures": pictures,
        "listed": len(table.names),
        "most": table.most,
        "tests": found[shown].test_images,
        "best": found[shown].best,
        "embedded": {
            "labels": table.labels,
            "unseen": sorted(table.unseen),
            "names": table.names,
            "pictures": pictures,
            "views": [vars(view) for view in views],
            "variant": shown,
            "titles": [f"{number} {title}" for number, title in enumerate(titles, 1)],
        },
    }


def _ordered(errors: Errors) -> list[str]:
    return [name for name in ORDER if name in errors.protocols]


class _Numbers:
    """Numbers images and labels once for all variants of a table."""

    def __init__(self, found: Mapping[int, Errors]):
        self._found = found
        self._images: dict[tuple[int, str], int] = {}  # by row and name: variants may be tested on other images
        self._texts: dict[int, str] = {}
        self._labels = {
            name: n for n, name in enumerate(dict.fromkeys(n for one in found.values() for n in one.labels))
        }
        views = sum(len(one.protocols) for one in found.values())
        self.most = min(max(1, ENTRIES // views), LISTED)
        self.labels = list(self._labels)
        self.unseen = {self._labels[name] for one in found.values() for name in one.labels[one.seen :]}

    @property
    def names(self) -> list[str]:
        """Of the images, by number."""
        return [name for _, name in self._images]

    def view(self, variant: int, protocol: str) -> View:
        """A variant's errors, with the worst `most` images."""
        errors = self._found[variant]
        part = errors.protocols[protocol]
        images = [
            {
                "image": self._image(errors, image.image),
                "ap": image.ap,
                "true": self._shown(errors, image.true),
                "top": self._shown(errors, image.top),
            }
            for image in part.images[: self.most]
        ]
        return View(variant, protocol, part.ranked, images, self._confused(errors, part))

    def pictures(self, views: Sequence[View]) -> dict[int, str]:
        """Pictures by image, the worst images of each view first, as many as fit."""
        kept: dict[int, str] = {}
        left = PICTURES
        for turn in range(max((len(view.images) for view in views), default=0)):
            for view in views:
                if turn >= len(view.images):
                    continue
                number = view.images[turn]["image"]
                picture = self._texts.get(number, "")
                if picture and number not in kept and len(picture) <= left:
                    kept[number] = picture
                    left -= len(picture)
        return kept

    def _image(self, errors: Errors, row: int) -> int:
        number = self._images.setdefault((row, errors.names[row]), len(self._images))
        if row in errors.pictures:
            self._texts.setdefault(number, errors.pictures[row])
        return number

    def _shown(self, errors: Errors, shown: Sequence[Shown]) -> list[list[Any]]:
        return [[self._labels[errors.labels[one.label]], one.rank, one.score, one.right] for one in shown]

    def _confused(self, errors: Errors, part: Ranked) -> list[dict[str, Any]]:
        """The labels that are missed most often, first."""
        order = sorted(part.confused, key=lambda one: (-one.missed, -one.missed / one.positives))
        return [
            {
                "label": self._labels[errors.labels[one.label]],
                "positives": one.positives,
                "missed": one.missed,
                "instead": [[self._labels[errors.labels[other]], count] for other, count in one.instead],
            }
            for one in order
        ]
