"""The test set, and the protocols: which labels a model ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from embeddings.io.errors import InputError
from zsl.data.targets import Targets

if TYPE_CHECKING:
    import zsl.data.dataset


@dataclass(frozen=True)
class Protocol:
    """One question to a model: which labels it ranks, and in which columns of the targets the answers are."""

    labels: tuple[str, ...]
    columns: np.ndarray
    num_seen: int


@dataclass(frozen=True)
class TestSet:
    """What results are measured against.

    Args:
        name: of the dataset, for tables.
        seen, unseen: label names; a closed set has no unseen ones.
        targets: (image, label) over `seen + unseen`.
        fingerprint: identifies the content.
        renamed: other names of the same unseen labels, by title ("synonyms").
        images: names of the images, in order; None if they have no names.
    """

    __test__ = False  # pytest: not a class of tests
    name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    targets: Targets
    fingerprint: str
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[str, ...] | None = None

    @classmethod
    def of(cls, data: "zsl.data.dataset.MultiLabelData") -> "TestSet":
        """The test set of a dataset; images that are files go by their paths."""
        files = getattr(data.test.inputs, "files", None)
        images = None if files is None else tuple(files)
        return cls(data.name, data.seen, data.unseen, data.test.targets, data.fingerprint, data.renamed, images)

    @property
    def kind(self) -> str:
        """ "labelled" if every image shows an unseen label (of a closed set: any label), else "all"."""
        shown = self.targets.columns(slice(len(self.seen) if self.unseen else 0, None)).image_counts()
        return "labelled" if shown.all() else "all"


def protocols(data: "TestSet | zsl.data.dataset.MultiLabelData") -> dict[str, Protocol]:
    """The protocols of a dataset or a test set, by name.

    "zsl" ranks the unseen labels alone, "gzsl" all labels, "seen" the seen labels. "zsl-synonyms" and "gzsl-synonyms"
    rank the unseen labels under other names. Data without unseen labels has one protocol, "closed".
    """
    if not data.unseen:
        return {"closed": Protocol(data.seen, np.arange(len(data.seen)), 0)}
    seen, every = len(data.seen), len(data.seen) + len(data.unseen)
    names = {"": data.unseen, **{f"-{title}": unseen for title, unseen in data.renamed.items()}}
    zsl = {f"zsl{t}": Protocol(unseen, np.arange(seen, every), 0) for t, unseen in names.items()}
    gzsl = {f"gzsl{t}": Protocol(data.seen + unseen, np.arange(every), seen) for t, unseen in names.items()}
    seen_alone = {"seen": Protocol(data.seen, np.arange(seen), 0)} if seen else {}
    return zsl | gzsl | seen_alone


def fitting(k: Sequence[int], protocol: Protocol) -> tuple[int, ...]:
    """The K of F1@K that are at most the number of labels which the protocol ranks."""
    return tuple(number for number in k if number <= len(protocol.labels))


def left_out(labels: Mapping[str, int], k: Sequence[int]) -> list[str]:
    """For each protocol that ranks fewer labels than K, a sentence that names the figures that it lacks.

    Args:
        labels: how many each protocol ranks.
        k: of F1@K.
    """
    beyond = {name: ", ".join(f"F1@{number}" for number in k if number > count) for name, count in labels.items()}
    return [
        f"{name} ranks {labels[name]} labels, too few for {told} (evaluate.k)." for name, told in beyond.items() if told
    ]


def check_measurable(test: TestSet, asked: Mapping[str, Protocol]) -> None:
    """Checks that each protocol, except that of seen labels alone, has a positive.

    Raises:
        InputError: a protocol has none.
    """
    counts = test.targets.label_counts()
    for name, protocol in asked.items():
        if name != "seen" and not counts[protocol.columns].any():
            kind = "an unseen" if name.startswith("zsl") else "a"
            raise InputError(f"no test image of {test.name} has {kind} label, so there is nothing to measure")
