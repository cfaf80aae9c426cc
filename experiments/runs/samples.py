"""Test images drawn at random, with the labels that a model finds in them: `samples.json` of a run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from embeddings.io import atomic
from experiments.runs.looking import Looked, small_map
from experiments.runs.pictures import thumbnail

if TYPE_CHECKING:
    from zsl.data.dataset import MultiLabelData

SIDE = 256  # pixels
TOP, UNSEEN, SEED = 5, 3, 0  # labels shown: the best of all, the best unseen ones; of the draw


class Found(BaseModel):
    """A label with its rank (from 1) among all labels; `right` is None if it is not annotated.

    `map` says where the model looked for it: a PNG in base64, of one pixel for each place; None if it cannot say.
    """

    label: str
    unseen: bool
    right: bool | None
    rank: int
    map: str | None = None


class Sample(BaseModel):
    """A test image: a JPEG in base64 (None for tokens), its true labels, the model's best labels and unseen ones."""

    name: str
    picture: str | None
    true: list[Found]
    top: list[Found]
    top_unseen: list[Found]


class Samples(BaseModel):
    """The images drawn, with the seed, the number of test images, and the protocol that they were scored under."""

    seed: int
    test_images: int
    protocol: str
    images: list[Sample]


def save_samples(
    folder: Path,
    data: "MultiLabelData",
    scores: Mapping[str, np.ndarray],
    count: int = 12,
    looked: Looked | None = None,
) -> None:
    """Writes `samples.json`: test images drawn at random, the same for every model, with the best labels of each.

    Args:
        folder: of the run.
        data: its dataset.
        scores: (image, label) by protocol, as `zsl.scoring.score` gives them; "gzsl" or "closed" is shown.
        count: number of images.
        looked: where the model looked; None if it cannot say.
    Raises:
        ValueError: the scores have another shape than the test targets.
    """
    targets = data.test.targets
    protocol = "gzsl" if data.unseen else "closed"
    values = scores[protocol]
    if values.shape != targets.shape:
        raise ValueError(f"scores are {values.shape}, test targets {targets.shape}")
    rows = np.sort(np.random.default_rng(SEED).permutation(len(targets))[:count])
    images = [_sample(data, row, values[row], looked) for row in rows.tolist()]
    samples = Samples(seed=SEED, test_images=len(targets), protocol=protocol, images=images)
    atomic.write_text(folder / "samples.json", samples.model_dump_json(indent=1) + "\n")


def _sample(data: "MultiLabelData", row: int, scores: np.ndarray, looked: Looked | None) -> Sample:
    names, seen, targets = data.seen + data.unseen, len(data.seen), data.test.targets
    truth = targets[[row]].dense()[0]
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(order), int)
    ranks[order] = np.arange(1, len(order) + 1)

    def found(columns: np.ndarray, looked: Looked | None = None) -> list[Found]:
        maps = [None] * len(columns) if looked is None else looked(row, [names[column] for column in columns])
        return [
            Found(
                label=names[column],
                unseen=column >= seen,
                right=None if targets.partial and truth[column] == 0 else bool(truth[column] > 0),
                rank=int(ranks[column]),
                map=None if values is None else small_map(values),
            )
            for column, values in zip(columns.tolist(), maps, strict=True)
        ]

    return Sample(
        name=Path(data.test.inputs.name(row)).name,
        picture=thumbnail(data, row, SIDE),
        true=[found(np.array([column]))[0] for column in np.flatnonzero(truth > 0)],
        top=found(order[:TOP], looked),
        top_unseen=found(order[order >= seen][:UNSEEN]),
    )
