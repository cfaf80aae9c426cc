"""The stamp of a result: which question its figures answer, and whether two results answer the same one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from embeddings.io.errors import InputError
from zsl.data.targets import Targets
from zsl.evaluation.protocol import Protocol, TestSet

ABSENT_POLICY = "map leaves out labels without a positive test image; map_absent_zero counts them 0"
PARTIAL_POLICY = "entries that nobody annotated are in no measure"


class Known(NamedTuple):
    """A published test set.

    Args:
        labels: how many are ranked.
        images: in the test set.
        positives: per test image, which is K * precision / recall of published figures; None if it is not known, and
            then the number of images tells the test set.
        tolerance: of the positives.
        alone: whether the positives of rounded figures tell it from every other test set.
        lost: how many of its images the dataset's own lists do not have.
    """

    labels: int
    images: int
    positives: float | None = None
    tolerance: float = 0.0
    alone: bool = True
    lost: int = 0

    def has(self, labels: int, positives: float, images: int | None) -> bool:
        """Whether these numbers are those of the test set; the arguments are as for `recognise`."""
        if labels != self.labels or images not in (None, self.images, self.images - self.lost):
            return False
        if images is None and (self.positives is None or not self.alone):
            return False
        return self.positives is None or abs(self.positives - positives) <= self.tolerance


KNOWN = {
    "NUS-WIDE, 81 labels, all 107,859 test images (LESA, BiAM, MKT)": Known(81, 107_859, 1.8764, 0.002),
    "NUS-WIDE, 81 labels, the 83,898 test images that show one (DualCoOp and later)": Known(81, 83_898, 2.4123, 0.002),
    "NUS-WIDE, 81 labels, the list of 60,260 images (PIAA)": Known(81, 60_260, 1.882, 0.002, alone=False, lost=2),
    "NUS-WIDE, 1,006 labels, all 107,859 test images": Known(1006, 107_859, 6.80, 0.005),
    "NUS-WIDE, 1,006 labels, the 83,898 test images that show one of the 81": Known(1006, 83_898),
    "MS-COCO 48/17, 17 unseen labels, the list of 2,729 images (RAM)": Known(17, 2_729),
    "MS-COCO 48/17, 65 labels, the list of 6,392 images (RAM)": Known(65, 6_392),
    "Open Images v4, 400 unseen labels, 125,436 test images": Known(400, 125_436),
    "Pascal VOC 2007, 20 labels, 4,952 test images": Known(20, 4_952),
    "CIFAR-100, 100 labels, 10,000 test images": Known(100, 10_000, 1.0, alone=False),
    "Stanford Cars, 196 labels, 8,041 test images": Known(196, 8_041, 1.0, alone=False),
}
# names, versions and training data do not belong to the question
COMPARED = ("test_set", "images", "absent", "partial", "k", "truth")


class Form(NamedTuple):
    """How scores came about; None where it is not known, as for those of another system.

    Args:
        company: that labels were asked in (`evaluate.company`).
        normalise: how scores were normalised (`evaluate.normalise`), in words.
    """

    company: str | None = None
    normalise: str | None = None


UNKNOWN = Form()


@dataclass(frozen=True)
class Stamp:
    """What two results must share to be compared.

    Args:
        data: name of the dataset, and of its test set if it has several.
        test_set: "all" test images, or only those "labelled" with an unseen label.
        images: number of test images.
        positives_per_image: over the labels of each protocol.
        labels: number of labels that each protocol ranks, and a hash of their names in order.
        absent: how labels without a positive are treated.
        partial: how entries that nobody annotated are treated; None for complete annotations.
        k: of F1@K.
        truth: hash of the test annotations.
        fingerprint: of the dataset: labels, images and annotations, of training too.
        shift: bias subtracted from seen logits in the calibrated figures; None without a calibration.
        thresholds: the rule of the figures at thresholds; None without one.
        company, normalise: the `Form` of the scores; one that is not known may be compared with any.
    """

    data: str
    test_set: str
    images: int
    positives_per_image: Mapping[str, float]
    labels: Mapping[str, tuple[int, str]]
    absent: str
    partial: str | None
    k: tuple[int, ...]
    truth: str
    fingerprint: str
    shift: float | None = None
    thresholds: Mapping[str, Any] | None = None
    company: str | None = None
    normalise: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return asdict(self) | {"known_as": self.known_as()}

    def known_as(self) -> dict[str, str]:
        """The published test set that each protocol is, if labels, images and positives per image show it."""
        named = {n: recognise(self.labels[n][0], v, self.images) for n, v in self.positives_per_image.items()}
        return {protocol: title for protocol, title in named.items() if title is not None}


def make_stamp(
    test: TestSet,
    asked: Mapping[str, Protocol],
    k: Sequence[int],
    shift: float | None = None,
    form: Form = UNKNOWN,
) -> Stamp:
    """The stamp of results on a test set.

    Args:
        test: the test set.
        asked: the protocols that were measured, by name.
        k: of F1@K.
        shift: bias subtracted from seen logits in the calibrated figures; None without a calibration.
        form: of the scores.
    """
    return Stamp(
        data=test.name,
        test_set=test.kind,
        images=len(test.targets),
        positives_per_image={name: _positives(test.targets, p.columns) for name, p in asked.items()},
        labels={name: (len(p.labels), hash_of_names(p.labels)) for name, p in asked.items()},
        absent=ABSENT_POLICY,
        partial=PARTIAL_POLICY if test.targets.partial else None,
        k=tuple(k),
        truth=hash_of_targets(test.targets),
        fingerprint=test.fingerprint,
        shift=shift,
        company=form.company,
        normalise=form.normalise,
    )


def _positives(targets: Targets, columns: np.ndarray) -> float:
    return float(targets.label_counts()[columns].sum() / len(targets))


def hash_of_names(labels: Sequence[str]) -> str:
    """A hash of label names in their order."""
    return hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()[:16]


def hash_of_targets(targets: Targets) -> str:
    """A hash of annotations, image by image."""
    matrix, digest = targets.matrix.sorted_indices(), hashlib.sha256(str(targets.shape).encode())
    for array in (matrix.indptr, matrix.indices, matrix.data):
        digest.update(array.astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


def recognise(labels: int, positives_per_image: float, images: int | None = None) -> str | None:
    """The published test set with this number of labels, images and positives per image; None for an unknown one.

    Args:
        labels: number of labels that are ranked.
        positives_per_image: over those labels; from published figures it is `K * precision / recall` at any K.
        images: number of test images; None if it is not known, and then only the positives tell test sets apart.
    """
    return next((title for title, one in KNOWN.items() if one.has(labels, positives_per_image, images)), None)


def check_comparable(stamps: Mapping[str, Stamp]) -> None:
    """Checks that results answer the same question, so that they may be compared.

    Args:
        stamps: by name of the result.
    Raises:
        InputError: they do not; the message names what differs, and how.
    """
    (first, one), *others = stamps.items()
    for name, other in others:
        told = [(key, getattr(one, key), getattr(other, key)) for key in COMPARED]
        forms = [(key, getattr(one, key), getattr(other, key)) for key in Form._fields]
        told += [(key, a, b) for key, a, b in forms if a is not None and b is not None]
        told += _label_differences(one.labels, other.labels)
        differing = [f"{key} {a!r} against {b!r}" for key, a, b in told if a != b]
        if differing:
            raise InputError(
                f"{first} and {name} do not answer the same question: {'; '.join(differing)}; "
                "give --mixed-protocols to see them side by side all the same"
            )


def _label_differences(
    one: Mapping[str, tuple[int, str]], two: Mapping[str, tuple[int, str]]
) -> list[tuple[str, object, object]]:
    """What two results have as labels of each common protocol; or their protocols, if none is common."""
    shared = [protocol for protocol in one if protocol in two]
    if not shared:
        return [("protocols", list(one), list(two))]
    shown = [(f"labels of {protocol}", one[protocol], two[protocol]) for protocol in shared]
    return [(key, f"{a[0]} in order {a[1]}", f"{b[0]} in order {b[1]}") for key, a, b in shown]
