"""CIFAR-100 from its binary version; the Python version is a pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.texts import read_labels
from zsl.data.dataset import MultiLabelData, Part, Rows
from zsl.data.dataset_config import SquareConfig
from zsl.data.layouts.assembly import fingerprint
from zsl.data.layouts.split import without
from zsl.data.squares import Square
from zsl.data.targets import Targets

if TYPE_CHECKING:
    import torch

SIDE = 32
RECORD = 2 + 3 * SIDE * SIDE  # coarse label, fine label, pixels (3, row, column)
EXPECTED = {"training images": 50_000, "test images": 10_000}


class Cifar100Config(SquareConfig):
    """`root` is the folder cifar-100-binary.

    `unseen`: a file of unseen labels, one name per line; their training images are left out. Without it the set is
    closed.
    """

    name: Literal["cifar100"] = "cifar100"
    root: Path
    unseen: Path | None = None

    def load(self) -> MultiLabelData:
        """Labels are the fine ones: seen labels in the order of the label file, unseen ones in the order of `unseen`.

        Raises:
            InputError: a file is missing, incomplete or has an unknown label.
        """
        import torch

        names = read_labels(self.root / "fine_label_names.txt")
        seen, unseen = without(names, self.unseen)
        missing = next((name for name in unseen if name not in names), None)
        if missing is not None:
            raise InputError(f"{self.unseen}: CIFAR-100 has no label {missing!r}")
        place = {name: number for number, name in enumerate(seen + unseen)}
        column = np.array([place[name] for name in names])
        parts = {}
        for part in ("train", "test"):
            labels, pixels = _records(self.root / f"{part}.bin", len(names))
            columns = column[labels]
            kept = columns < len(seen) if part == "train" else np.ones(len(columns), bool)
            width = len(seen) if part == "train" else len(column)
            targets = Targets.of_entries(np.arange(kept.sum()), columns[kept], (int(kept.sum()), width))
            parts[part] = Part(Pixels(torch.from_numpy(pixels[kept]), self.square(SIDE)), targets)
        return MultiLabelData(
            name="cifar100",
            seen=seen,
            unseen=unseen,
            train=parts["train"],
            test=parts["test"],
            kind="images",
            fingerprint=fingerprint(seen, unseen, parts["train"], parts["test"]),
            expected={} if unseen else EXPECTED,
        )


@dataclass(frozen=True)
class Pixels:
    """Images in memory, (image, 3, 32, 32) uint8; they are resized when they are read."""

    values: "torch.Tensor"
    square: Square

    def __len__(self) -> int:
        return len(self.values)

    def name(self, row: int) -> str:
        return f"image {row}"

    def read(self, rows: Rows) -> "torch.Tensor":
        """(batch, 3, size, size) uint8."""
        import torch
        from PIL import Image

        images = self.values[torch.as_tensor(rows)]
        if self.square.size == SIDE and self.square.crop == 1:
            return images
        squares = (self.square.of(Image.fromarray(one)) for one in images.permute(0, 2, 3, 1).numpy())
        return torch.from_numpy(np.stack([np.asarray(square) for square in squares])).permute(0, 3, 1, 2)


def _records(path: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Fine labels (image,) and pixels (image, 3, 32, 32)."""
    if not path.is_file():
        raise InputError(f"no file {path}; it is in the binary version of CIFAR-100")
    content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % RECORD:
        raise InputError(f"{path} is incomplete: its size is not a multiple of {RECORD:,} bytes; fetch it again")
    records = content.reshape(-1, RECORD)
    if records[:, 1].max() >= classes:
        raise InputError(f"{path} holds label {records[:, 1].max()}, but there are {classes} names; fetch it again")
    return records[:, 1].astype(np.int64), records[:, 2:].reshape(-1, 3, SIDE, SIDE)
