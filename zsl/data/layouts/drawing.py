"""Procedurally drawn pictures of "texture colour shape" objects, so that the demo needs no download.

1,008 phrases, of which a seeded draw keeps 1,006: 925 seen and 81 unseen, the shape of NUS-WIDE.
Every phrase has a second name made of synonyms alone ("banded crimson disc" for "striped red circle").
"""

from collections.abc import Callable
from itertools import product

import numpy as np

NUM_SEEN, NUM_UNSEEN = 925, 81

# word -> synonym; no synonym shares a telling letter sequence with a word of its own kind
TEXTURES = {
    "solid": "plain",
    "striped": "banded",
    "dotted": "freckled",
    "checkered": "tiled",
    "grainy": "sandy",
    "faded": "bleached",
}
COLOUR_SYNONYMS = {
    "red": "crimson",
    "orange": "amber",
    "yellow": "golden",
    "green": "emerald",
    "blue": "azure",
    "purple": "violet",
    "pink": "rose",
    "brown": "chocolate",
    "black": "ebony",
    "white": "ivory",
    "gray": "silver",
    "cyan": "turquoise",
    "olive": "khaki",
    "magenta": "fuchsia",
}
SHAPE_SYNONYMS = {
    "circle": "disc",
    "square": "box",
    "triangle": "pyramid",
    "star": "asterisk",
    "heart": "valentine",
    "cross": "crucifix",
    "ring": "hoop",
    "crescent": "moon",
    "oval": "egg",
    "arrow": "pointer",
    "flower": "blossom",
    "bolt": "lightning",
}
RGB = {
    "red": (214, 32, 32),
    "orange": (248, 140, 20),
    "yellow": (246, 222, 40),
    "green": (36, 160, 52),
    "blue": (36, 72, 220),
    "purple": (122, 44, 168),
    "pink": (248, 160, 190),
    "brown": (118, 70, 30),
    "black": (18, 18, 20),
    "white": (248, 248, 246),
    "gray": (134, 136, 138),
    "cyan": (40, 214, 224),
    "olive": (124, 128, 34),
    "magenta": (228, 36, 190),
}

Box = tuple[int, int, int, int]  # left, top, right, bottom
Mask = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _polygon(*corners: tuple[float, float]) -> Mask:
    """Even-odd fill of a polygon given by its corners in [-1, 1]^2."""

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        filled = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y0 != y1:
                crossing = x0 + (y - y0) * ((x1 - x0) / (y1 - y0))
                filled ^= ((y0 > y) != (y1 > y)) & (x < crossing)
        return filled

    return inside


def _star(points: int, inner: float) -> Mask:
    angles = np.arange(2 * points) * np.pi / points
    radii = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return _polygon(*((float(r * np.sin(a)), float(-r * np.cos(a))) for a, r in zip(angles, radii, strict=True)))


SHAPES: dict[str, Mask] = {
    "circle": lambda x, y: x * x + y * y < 0.81,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.78,
    "triangle": _polygon((0.0, -0.95), (0.95, 0.75), (-0.95, 0.75)),
    "star": _star(5, 0.42),
    "heart": lambda x, y: (1.3 * x**2 + (-1.25 * y + 0.1 - 0.75 * np.sqrt(abs(x))) ** 2) < 0.9,
    "cross": lambda x, y: (np.minimum(abs(x), abs(y)) < 0.28) & (np.maximum(abs(x), abs(y)) < 0.92),
    "ring": lambda x, y: abs(np.sqrt(x * x + y * y) - 0.7) < 0.22,
    "crescent": lambda x, y: (x * x + y * y < 0.9) & ((x - 0.45) ** 2 + y * y > 0.5),
    "oval": lambda x, y: x * x + 4.2 * y * y < 0.95,
    "arrow": _polygon((-0.95, -0.25), (0.1, -0.25), (0.1, -0.75), (0.98, 0.0), (0.1, 0.75), (0.1, 0.25), (-0.95, 0.25)),
    "flower": lambda x, y: np.sqrt(x * x + y * y) < 0.62 + 0.32 * np.cos(6 * np.arctan2(y, x)),
    "bolt": _polygon((0.25, -1.0), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1.0), (0.6, -0.25), (0.05, -0.25)),
}


def phrases() -> list[tuple[str, str]]:
    """All 1,008 (name, synonym name) pairs, in the order texture, colour, shape."""
    return [
        (f"{t} {c} {s}", f"{TEXTURES[t]} {COLOUR_SYNONYMS[c]} {SHAPE_SYNONYMS[s]}")
        for t, c, s in product(TEXTURES, COLOUR_SYNONYMS, SHAPES)
    ]


def vocabulary(
    seed: int = 0, num_seen: int = NUM_SEEN, num_unseen: int = NUM_UNSEEN
) -> tuple[list[str], list[str], list[str]]:
    """The seen names, the unseen names, and the synonyms of the unseen names, in the same order."""
    pairs = phrases()
    order = np.random.default_rng([seed, 1006]).permutation(len(pairs))
    seen, unseen = order[:num_seen], order[num_seen : num_seen + num_unseen]
    return [pairs[i][0] for i in seen], [pairs[i][0] for i in unseen], [pairs[i][1] for i in unseen]


def _background(generator: np.random.Generator, size: int) -> np.ndarray:
    """A muted patchwork: a coarse random grid, enlarged, with pixel noise."""
    cells = int(generator.integers(2, 6))
    grid = generator.uniform(60, 200) + generator.normal(0, 22, (cells, cells, 3))
    index = (np.arange(size) * cells) // size
    return grid[index][:, index] + generator.normal(0, 6, (size, size, 1))


def _shade(texture: str, x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Where the second tone shows, in [0, 1], over the object's own coordinates."""
    phase = generator.uniform(0, 2 * np.pi)
    if texture == "striped":
        return (np.sin(9.5 * y + phase) > 0).astype(np.float64)
    if texture == "dotted":
        return (np.cos(9.5 * x + phase) + np.cos(9.5 * y + phase) > 0.75).astype(np.float64)
    if texture == "checkered":
        return (np.sin(7.0 * x + phase) * np.sin(7.0 * y + phase) > 0).astype(np.float64)
    if texture == "grainy":
        return (generator.random(x.shape) < 0.4).astype(np.float64)
    if texture == "faded":
        return np.clip(0.5 + 0.75 * y, 0, 1)
    return np.zeros(x.shape)


def draw(names: list[str], generator: np.random.Generator, size: int = 96) -> np.ndarray:
    """One picture that shows the named objects.

    Args:
        names: "texture colour shape" phrases, later ones in front.
        generator: source of every random choice.
        size: height and width in pixels.
    Returns:
        (size, size, 3) uint8 RGB.
    """
    return draw_with_boxes(names, generator, size)[0]


def draw_with_boxes(names: list[str], generator: np.random.Generator, size: int = 96) -> tuple[np.ndarray, list[Box]]:
    """The picture of `draw`, and where its objects are.

    Args:
        names, generator, size: same as for `draw`.
    Returns:
        the picture, and (left, top, right, bottom) of each object: the smallest box around its shape, in pixels. Later
        objects may cover parts of it.
    """
    canvas = _background(generator, size)
    boxes = []
    centres: list[np.ndarray] = []
    for name in names:
        texture, colour, shape = name.split()
        radius = generator.uniform(0.15, 0.23) * size
        # of a few random places, the one farthest from earlier objects keeps most of each object visible
        places = generator.uniform(radius, size - radius, (8, 2))
        gaps = [min((float(np.hypot(*(p - c))) for c in centres), default=0.0) for p in places]
        centre = places[int(np.argmax(gaps))]
        centres.append(centre)
        top, left = np.maximum(centre - radius, 0).astype(int)
        bottom, right = np.minimum(centre + radius + 1, size).astype(int)
        rows = (np.arange(top, bottom) - centre[0])[:, None] / radius
        columns = (np.arange(left, right) - centre[1])[None, :] / radius
        angle = generator.uniform(-0.3, 0.3)
        x = np.cos(angle) * columns + np.sin(angle) * rows
        y = np.cos(angle) * rows - np.sin(angle) * columns
        base = np.array(RGB[colour]) + generator.normal(0, 7, 3)
        second = base + 0.62 * (255 - base) if base @ (0.3, 0.59, 0.11) < 110 else base * 0.42
        shade = _shade(texture, x, y, generator)[..., None]
        inside = SHAPES[shape](x, y)
        patch = canvas[top:bottom, left:right]
        patch[inside] = (base + shade * (second - base))[inside]
        (y0, y1), (x0, x1) = (np.flatnonzero(inside.any(axis))[[0, -1]] for axis in (1, 0))
        boxes.append((int(left + x0), int(top + y0), int(left + x1 + 1), int(top + y1 + 1)))
    return np.clip(canvas, 0, 255).astype(np.uint8), boxes


def draw_set(
    names: list[str], count: int, seed: int, size: int = 96, max_objects: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of 1 to `max_objects` distinct objects each; a seed always gives the same pictures.

    Returns:
        images (count, size, size, 3) uint8 and targets (count, label) uint8, labels in the order of `names`.
    """
    images = np.empty((count, size, size, 3), np.uint8)
    targets = np.zeros((count, len(names)), np.uint8)
    for row in range(count):
        chosen, images[row], _ = _one_of_set(names, row, seed, size, max_objects)
        targets[row, chosen] = 1
    return images, targets


def boxes_of_set(
    names: list[str], count: int, seed: int, size: int = 96, max_objects: int = 5
) -> list[list[tuple[int, Box]]]:
    """Where the objects of `draw_set` are.

    Args:
        names, count, seed, size, max_objects: same as for `draw_set`.
    Returns:
        for each picture its objects: the label's index in `names`, and the box of `draw_with_boxes`.
    """
    found = (_one_of_set(names, row, seed, size, max_objects) for row in range(count))
    return [list(zip(chosen.tolist(), boxes, strict=True)) for chosen, _, boxes in found]


def _one_of_set(
    names: list[str], row: int, seed: int, size: int, max_objects: int
) -> tuple[np.ndarray, np.ndarray, list[Box]]:
    """The labels, the picture and the boxes of one row."""
    generator = np.random.default_rng([seed, row])
    chosen = generator.choice(len(names), int(generator.integers(1, max_objects + 1)), replace=False)
    return chosen, *draw_with_boxes([names[i] for i in chosen], generator, size)
