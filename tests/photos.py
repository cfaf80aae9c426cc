"""A folder of pictures as a user has it."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Twenty pictures of seen labels and ten of an unseen one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    lines = []
    for image in range(30):
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{image}.jpg")
        labels = ("dog", "cat", "old harbour")[image % 3 :][:2] if image < 20 else ("dog", "polar bear")
        lines.append(",".join([f"{image}.jpg", *labels]))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "unseen.txt").write_text("polar bear\n")
    return folder
