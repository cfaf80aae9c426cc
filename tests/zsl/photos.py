"""A small folder of pictures, as users have them."""

from pathlib import Path

import numpy as np
from PIL import Image

SEEN, UNSEEN = ("red square", "green square", "blue square", "dark dot"), ("red dot", "blue dot")


def write_photos(root: Path) -> Path:
    """40 JPEGs of two labels each, of which the last 12 may show unseen ones; `labels.csv` and `unseen.txt`."""
    root.mkdir(parents=True)
    generator, lines = np.random.default_rng(0), []
    for number in range(40):
        labels = generator.choice(SEEN if number < 28 else SEEN + UNSEEN, 2, replace=False)
        Image.fromarray(generator.integers(0, 256, (40, 32, 3), dtype=np.uint8)).save(root / f"{number}.jpg")
        lines.append(",".join([f"{number}.jpg", *labels]))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    (root / "unseen.txt").write_text("\n".join(UNSEEN) + "\n")
    return root
