"""Which question a result answers: its labels and its test set, and whether two results answer the same one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from embeddings.io.errors import InputError
from zsl.data.dataset import ImageFiles, MultiLabelData
from zsl.data.targets import Targets

ABSENT_POLICY = "map leaves out labels without a positive test image; map_absent_zero counts them 0"
PARTIAL_POLICY = "entries that nobody annotated are in no measure"
# labels, positives per test image and the rounding of that: K * precision / recall of published figures is this number
KNOWN = {
    "NUS-WIDE, 81 labels, all 107,859 test images (LESA, BiAM, MKT)": (81, 1.8764, 0.002),
    "NUS-WIDE, 81 labels, the 83,898 test images that show one (DualCoOp and later)": (81, 2.4123, 0.002),
    "NUS-WIDE, 1,006 labels, all 107,859 test images": (1006, 6.80, 0.005),
}


@dataclass(frozen=True)
class Protocol:
    """One question to a model: which labels it ranks, and the columns of the targets that answer."""

    labels: tuple[str, ...]
    columns: np.ndarray
    num_seen: int


@dataclass(frozen=True)
class TestSet:
    """What results are measured against.

    Args:
        name: for tables.
        seen, unseen: label names; a closed set has no unseen ones.
        targets: (image, label) over `seen + unseen`.
        fingerprint: identifies the content.
        renamed: further name lists of the same unseen labels, by title.
        images: names of the images, in order; None where they have none.
    """

    __test__ = False  # no class of tests
    name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    targets: Targets
    fingerprint: str
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[str, ...] | None = None

    @classmethod
    def of(cls, data: MultiLabelData) -> "TestSet":
        """That of a dataset."""
        inputs = data.test.inputs
        images = tuple(inputs.files) if isinstance(inputs, ImageFiles) else None
        return cls(data.name, data.seen, data.unseen, data.test.targets, data.fingerprint, data.renamed, images)

    @property
    def kind(self) -> str:
        """ "labelled" if every image shows an unseen label (of a closed set: any label), else "all"."""
        shown = self.targets.columns(slice(len(self.seen) if self.unseen else 0, None)).image_counts()
        return "labelled" if shown.all() else "all"


def protocols(data: MultiLabelData | TestSet) -> dict[str, Protocol]:
    """ "zsl" ranks the unseen labels alone, "gzsl" all of them, "seen" the seen ones; "-synonyms" use other names.

    Data without unseen labels has one protocol, "closed".
    """
    if not data.unseen:
        return {"closed": Protocol(data.seen, np.arange(len(data.seen)), 0)}
    seen, every = len(data.seen), len(data.seen) + len(data.unseen)
    names = {"": data.unseen, **{f"-{title}": unseen for title, unseen in data.renamed.items()}}
    zsl = {f"zsl{t}": Protocol(unseen, np.arange(seen, every), 0) for t, unseen in names.items()}
    gzsl = {f"gzsl{t}": Protocol(data.seen + unseen, np.arange(every), seen) for t, unseen in names.items()}
    seen_alone = {"seen": Protocol(data.seen, np.arange(seen), 0)} if seen else {}
    return zsl | gzsl | seen_alone


@dataclass(frozen=True)
class Stamp:
    """What a result must share with another to stand beside it.

    Args:
        data: name of the dataset, with its test set where there are several.
        test_set: "all" test images, or those "labelled" with an unseen label.
        images: how many are tested on.
        positives_per_image: over the labels of each protocol.
        labels: how many each protocol ranks, and a hash of their names in order.
        absent, partial: what becomes of labels without a positive, and of entries that nobody annotated.
        k: of F1@K.
        truth: hash of the test annotations.
        fingerprint: of the dataset: its labels, images and annotations, training too.
        shift: taken off seen logits in the calibrated figures; None without a calibration.
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

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return asdict(self) | {"known_as": self.known_as()}

    def known_as(self) -> dict[str, str]:
        """The published protocol that each of these is, where its positives per image and labels tell."""
        named = {n: recognise(self.labels[n][0], value) for n, value in self.positives_per_image.items()}
        return {protocol: title for protocol, title in named.items() if title is not None}


# names, versions and training data are no part of the question
COMPARED = ("test_set", "images", "absent", "partial", "k", "truth")


def make_stamp(test: TestSet, asked: Mapping[str, Protocol], k: Sequence[int], shift: float | None = None) -> Stamp:
    """The stamp of results on a test set, of the protocols that were asked."""
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
    )


def _positives(targets: Targets, columns: np.ndarray) -> float:
    return float(targets.label_counts()[columns].sum() / len(targets))


def hash_of_names(labels: Sequence[str]) -> str:
    """Of label names in their order."""
    return hashlib.sha256(json.dumps(list(labels)).encode()).hexdigest()[:16]


def hash_of_targets(targets: Targets) -> str:
    """Of annotations, image by image."""
    matrix, digest = targets.matrix.sorted_indices(), hashlib.sha256(str(targets.shape).encode())
    for array in (matrix.indptr, matrix.indices, matrix.data):
        digest.update(array.astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


def fitting(k: Sequence[int], protocol: Protocol) -> tuple[int, ...]:
    """The K of F1@K that are not more than the labels which the protocol ranks."""
    return tuple(number for number in k if number <= len(protocol.labels))


def left_out(labels: Mapping[str, int], k: Sequence[int]) -> list[str]:
    """What protocols are too small for, a sentence a protocol.

    Args:
        labels: how many each protocol ranks.
        k: of F1@K.
    """
    beyond = {name: ", ".join(f"F1@{number}" for number in k if number > count) for name, count in labels.items()}
    return [
        f"{name} ranks {labels[name]} labels, too few for {told} (evaluate.k)." for name, told in beyond.items() if told
    ]


def check_measurable(test: TestSet, asked: Mapping[str, Protocol]) -> None:
    """Checks that there is something to measure, but for seen labels alone.

    Raises:
        InputError: it names the protocol.
    """
    counts = test.targets.label_counts()
    for name, protocol in asked.items():
        if name != "seen" and not counts[protocol.columns].any():
            kind = "an unseen" if name.startswith("zsl") else "a"
            raise InputError(f"no test image of {test.name} has {kind} label, so there is nothing to measure")


def recognise(labels: int, positives_per_image: float) -> str | None:
    """The published test set with so many labels and positives an image, if it is a known one.

    Args:
        labels: that are ranked.
        positives_per_image: over those; of published figures it is `K * precision / recall` at any K.
    """
    for title, (count, positives, rounding) in KNOWN.items():
        if labels == count and abs(positives - positives_per_image) <= rounding:
            return title
    return None


def check_comparable(stamps: Mapping[str, Stamp]) -> None:
    """Results of one protocol may stand side by side.

    Args:
        stamps: by the name of the result.
    Raises:
        InputError: it names what differs, and how.
    """
    (first, one), *others = stamps.items()
    for name, other in others:
        told = [(key, getattr(one, key), getattr(other, key)) for key in COMPARED]
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
    """The protocols that both have, whose labels differ; or that they have none in common."""
    shared = [protocol for protocol in one if protocol in two]
    if not shared:
        return [("protocols", list(one), list(two))]
    shown = [(f"labels of {protocol}", one[protocol], two[protocol]) for protocol in shared]
    return [(key, f"{a[0]} in order {a[1]}", f"{b[0]} in order {b[1]}") for key, a, b in shown]
