"""Saved scores of all variants on one set of images: one cell for each seed and fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from embeddings.io.errors import InputError
from experiments.runs.measurement import SCORES
from experiments.selection.candidates import Candidate
from zsl.data.targets import Targets
from zsl.evaluation.measures import Scores
from zsl.evaluation.protocol import TestSet, protocols
from zsl.evaluation.saved_scores import load_scores
from zsl.evaluation.stamp import hash_of_targets
from zsl.metrics.average_precision import average_precision
from zsl.readouts.normalisation import How, normalised

Asked = Literal["zsl", "seen"]  # the protocols that rank the unseen labels alone, and the seen labels alone
ASKED: tuple[Asked, ...] = ("zsl", "seen")


class Truth(NamedTuple):
    """Annotations of one protocol: whether an image shows a label; and whether that is known, None if all are."""

    shown: np.ndarray
    known: np.ndarray | None

    @classmethod
    def of(cls, targets: Targets) -> "Truth":
        values = targets.dense()
        return cls(values > 0, values != 0 if targets.partial else None)


@dataclass
class Cell:
    """What all variants score on the same images and labels.

    Args:
        test: the images and their labels; the unseen ones are held-out seen labels, or truly unseen ones.
        scores: (image, label) by protocol, for each variant.
    """

    test: TestSet
    scores: Sequence[Mapping[str, Scores]]
    _normalised: dict[tuple[int, Asked, How], Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        asked = protocols(self.test)
        self.truth = {name: Truth.of(self.test.targets.columns(asked[name].columns)) for name in ASKED}

    def member(self, variant: int, asked: Asked, how: How) -> Scores:
        """The scores of a variant; the reference of the normalisation are the seen labels."""
        key = variant, asked, how
        if key not in self._normalised:
            own = self.scores[variant]
            self._normalised[key] = normalised(np.asarray(own[asked]), np.asarray(own["seen"]), how)
        return self._normalised[key]

    def precision(self, candidate: Candidate, asked: Asked) -> np.ndarray:
        """AP of each label, (label,); NaN for a label without a positive."""
        shares = np.array(candidate.weights, np.float32) / sum(candidate.weights)
        parts = (self.member(member, asked, candidate.how) for member in candidate.members)
        total = sum(share * part for share, part in zip(shares, parts, strict=True))
        found: np.ndarray = average_precision(total, *self.truth[asked])
        return found

    def only(self, images: np.ndarray) -> "Cell":
        """The scores of some images.

        Args:
            images: (image,) rows.
        """
        test = replace(self.test, targets=self.test.targets[images], images=None)
        return Cell(test, [{name: one[name][images] for name in ASKED} for one in self.scores])

    def forget(self) -> None:
        """Releases the normalised scores."""
        self._normalised.clear()


def read_cell(folders: Sequence[Path]) -> Cell:
    """The saved scores of runs on one test set.

    Args:
        folders: of the variants' runs, in order.
    Raises:
        InputError: no saved scores, damaged or normalised ones; runs with other labels or images; a closed set.
    """
    saved = [load_scores(folder / SCORES) for folder in folders]
    first = saved[0].test
    if not first.unseen:
        raise InputError(f"{folders[0]} was measured on {first.name}, which has no unseen labels")
    told = _question(first)
    for folder, one in zip(folders, saved, strict=True):
        if _question(one.test) != told:
            raise InputError(f"the scores of {folder} are of other labels or images than those of {folders[0]}")
        if one.form.normalise != "none":
            raise InputError(f"the scores of {folder} are normalised; save them with evaluate.normalise = 'none'")
    return Cell(first, [one.scores for one in saved])


def _question(test: TestSet) -> tuple[object, ...]:
    return test.seen, test.unseen, hash_of_targets(test.targets)
