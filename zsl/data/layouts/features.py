"""What datasets of published feature files share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from embeddings.io.errors import InputError
from zsl.data.dataset import Inputs, MultiLabelData, Part, Rows
from zsl.data.dataset_config import DatasetConfig
from zsl.data.layouts.assembly import fingerprint

if TYPE_CHECKING:
    import torch


class FeaturesConfig(DatasetConfig):
    """The base of datasets of NUS-WIDE's features. `root` holds the files; absolute paths may lead elsewhere.

    `tags` and `concepts` are files of label names: the concepts are unseen, the tags that are not concepts are seen, in
    the files' order. `test`: "all" test images, or only those "labelled" with a concept.
    """

    root: Path
    tags: Path = Path("NUS_WID_Tags/TagList1k.txt")
    concepts: Path = Path("ConceptsList/Concepts81.txt")
    test: Literal["all", "labelled"] = "all"


@dataclass(frozen=True)
class Chosen:
    """Some rows of other inputs."""

    inputs: Inputs
    rows: np.ndarray

    @property
    def views(self) -> int:
        """How many views of an image there are, if the inputs are tokens of several views."""
        return getattr(self.inputs, "views", 1)

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, row: int) -> str:
        return self.inputs.name(int(self.rows[row]))

    def read(self, rows: Rows, views: np.ndarray | None = None) -> "torch.Tensor":
        chosen = self.rows[np.asarray(rows)]
        return self.inputs.read(chosen) if views is None else self.inputs.read(chosen, views)  # type: ignore[call-arg]


Labels = tuple[tuple[str, ...], tuple[str, ...]]


def features_data(
    name: str,
    labels: Labels,
    parts: Mapping[str, Part],
    shapes: Mapping[Path, tuple[int, ...]],
    test: Literal["all", "labelled"],
    in_order: bool = False,
) -> MultiLabelData:
    """A dataset of features; training images without a seen label are left out.

    If `test` is "labelled", test images without an unseen label are left out too.

    Args:
        parts: "train" with targets over the seen labels, "test" over all labels, with inputs for every row.
        shapes: the shape of an image's features, by file.
        in_order: same as for `MultiLabelData`.
    Raises:
        InputError: files of different shapes; a part without an image.
    """
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{path} has {shape}" for path, shape in shapes.items())
        raise InputError(f"features of different shapes: {told}; they come from different backbones")
    seen, unseen = labels
    rows = {
        "train": np.flatnonzero(parts["train"].targets.image_counts()),
        "test": np.arange(len(parts["test"].targets)),
    }
    if test == "labelled":
        rows["test"] = np.flatnonzero(parts["test"].targets.columns(slice(len(seen), None)).image_counts())
    for part, chosen in rows.items():
        if not len(chosen):
            raise InputError(f"no {part} image of {name} has a label")
    train, tested = (Part(Chosen(parts[p].inputs, rows[p]), parts[p].targets[rows[p]]) for p in ("train", "test"))
    return MultiLabelData(
        name=f"nus_wide {name} ({test} test images)",
        seen=seen,
        unseen=unseen,
        train=train,
        test=tested,
        kind="tokens",
        in_order=in_order,
        fingerprint=fingerprint(seen, unseen, train, tested),
    )
