"""Finds the test images that a model ranks worst, and the labels that it confuses."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings.io import atomic
from experiments.runs.errors import CHARACTERS, LISTED, NAME, SIDE, Confused, Errors, Listed, Ranked, Shown
from experiments.runs.pictures import thumbnail
from zsl.evaluation.confusions import Confusion, confusions
from zsl.evaluation.protocol import TestSet, protocols
from zsl.metrics.label_ranking import image_average_precision

if TYPE_CHECKING:
    from zsl.data.dataset import MultiLabelData

ASKED = ("zsl", "gzsl", "closed")  # the protocols whose errors are kept
PICTURED = 1000  # images of all protocols together
BEST = 5  # labels found in an image


def save_errors(folder: Path, data: "MultiLabelData", scores: Mapping[str, np.ndarray]) -> None:
    """Writes `errors.json`: the test images of the lowest AP, and the labels that are found in place of others.

    Args:
        folder: of the run.
        data: its dataset.
        scores: (image, label) by protocol, as `zsl.scoring.score` gives them.
    Raises:
        ValueError: scores of another shape than the test targets, or not finite.
    """
    atomic.write_text(folder / NAME, find_errors(data, scores).model_dump_json() + "\n")


def find_errors(data: "MultiLabelData", scores: Mapping[str, np.ndarray], listed: int = LISTED) -> Errors:
    """Like `save_errors`, without the file; `listed` is the number of images of each protocol."""
    asked = {name: protocol for name, protocol in protocols(TestSet.of(data)).items() if name in ASKED}
    found = {name: _ranked(data, protocol.columns, scores[name], listed) for name, protocol in asked.items()}
    # the worst ones of every protocol first, for they are shown first
    turns = chain.from_iterable(zip_longest(*([image.image for image in part.images] for part in found.values())))
    rows = list(dict.fromkeys(row for row in turns if row is not None))
    drawn = ((row, thumbnail(data, row, SIDE, CHARACTERS)) for row in rows[:PICTURED])
    return Errors(
        test_images=len(data.test.targets),
        best=BEST,
        labels=list(data.seen + data.unseen),
        seen=len(data.seen),
        protocols=found,
        names={row: Path(data.test.inputs.name(row)).name for row in rows},
        pictures={row: picture for row, picture in drawn if picture is not None},
    )


def _ranked(data: "MultiLabelData", columns: np.ndarray, scores: np.ndarray, listed: int) -> Ranked:
    """The errors under the protocol that ranks the labels of some columns."""
    targets = data.test.targets.columns(columns)
    if scores.shape != targets.shape:
        raise ValueError(f"scores are {scores.shape}, test targets {targets.shape}")
    truth, best = targets.dense(), min(BEST, len(columns))
    known = truth != 0 if targets.partial else None
    ap = image_average_precision(scores, truth > 0, known)
    order = np.argsort(ap, kind="stable")[: np.count_nonzero(~np.isnan(ap))]
    images = []
    for row in order[:listed].tolist():
        verdicts = [None if known is not None and value == 0 else bool(value > 0) for value in truth[row].tolist()]
        true, top = _shown(scores[row], verdicts, columns, best)
        images.append(Listed(image=row, ap=round(float(ap[row]), 5), true=true, top=top))
    found = confusions(scores, truth > 0, best, known)
    return Ranked(ranked=len(order), images=images, confused=_confused(found, columns))


def _shown(
    scores: np.ndarray, verdicts: Sequence[bool | None], columns: np.ndarray, best: int
) -> tuple[list[Shown], list[Shown]]:
    """The true labels of an image, best first, and its best ones."""
    order = np.argsort(-scores, kind="stable").tolist()
    ranked = [
        Shown(int(columns[place]), rank, float(f"{scores[place]:.4g}"), verdicts[place])
        for rank, place in enumerate(order, 1)
        if rank <= best or verdicts[place]
    ]
    return [shown for shown in ranked if shown.right], ranked[:best]


def _confused(found: Sequence[Confusion], columns: np.ndarray) -> list[Confused]:
    """The labels that are missed, by their columns."""
    return [
        Confused(int(column), one.positives, one.missed, [(int(columns[other]), n) for other, n in one.instead])
        for column, one in zip(columns, found, strict=True)
        if one.missed
    ]
