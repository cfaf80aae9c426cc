"""Published figures beside a table's own, where the test set is the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from embeddings.io.reading import read_toml
from experiments.tables.table_folder import FinishedRun, TableFolder
from zsl.data.table import DATASETS
from zsl.evaluation.metric_names import parsed, shown_columns
from zsl.evaluation.stamp import Stamp

FILE = Path(__file__).parent / "published.toml"


class Figures(BaseModel):
    """Figures of a method, in percent, by "protocol/measure".

    `set` is a key of `Published.sets`. `epoch` says on which data the authors chose the epoch, `rule` by which measure
    of these data, and `where` says where the figures were read.
    """

    model_config = ConfigDict(extra="forbid")

    method: str
    year: int
    image_model: str
    set: str
    epoch: Literal["test images", "none: nothing is trained", "not stated"]
    rule: str = ""
    source: Literal["paper", "code", "second-hand"]
    where: str
    metrics: dict[str, FiniteFloat]


class Published(BaseModel):
    """`published.toml`: the titles of test sets by key and protocol, and the figures."""

    model_config = ConfigDict(extra="forbid")

    sets: dict[str, dict[str, str]]
    figures: list[Figures]


@dataclass(frozen=True)
class Beside:
    """Published figures on the test sets of a run.

    Args:
        sets: title of the test set by protocol.
        columns: titles by metric.
        figures: methods with their figures on these test sets.
    """

    sets: Mapping[str, str]
    columns: Mapping[str, str]
    figures: Sequence[Figures]

    @property
    def on_test(self) -> list[str]:
        """The methods whose epoch was chosen on test images."""
        return [one.method for one in self.figures if one.epoch == "test images"]


@cache
def published() -> Published:
    """The figures that the toolkit knows."""
    return Published.model_validate(read_toml(FILE, "published figures"))


def published_beside(folder: TableFolder) -> Beside | None:
    """The published figures on the test sets of a table's runs.

    A test set is the same if all runs have a protocol stamp that names it (`zsl.evaluation.stamp.recognise`): by
    the numbers of labels and images, and by the positives of an image.

    Args:
        folder: of the table.
    Returns:
        the figures; None for drawn pictures, and for test sets that no known figure was measured on.
    """
    found = [_sets(run) for run in folder.runs]
    sets = {protocol: title for protocol, title in found[0].items() if all(one.get(protocol) == title for one in found)}
    kept = []
    for one in published().figures:
        own = published().sets[one.set]
        metrics = {
            metric: value
            for metric, value in one.metrics.items()
            if (name := parsed(metric)) is not None
            and name.protocol in sets
            and sets[name.protocol] == own.get(name.protocol)
        }
        if metrics:
            kept.append(one.model_copy(update={"metrics": metrics}))
    titles = shown_columns(dict.fromkeys(metric for one in kept for metric in one.metrics))
    return Beside(sets, titles, kept) if kept else None


def _sets(run: FinishedRun) -> dict[str, str]:
    """The published test set of each protocol; {} for drawn pictures, and for a stamp of another version."""
    data = (run.config or {}).get("data", {})
    kind = DATASETS.get(data.get("name", "")) if isinstance(data, dict) else None
    if run.measured is None or (kind is not None and kind.drawn):
        return {}
    try:
        stamp = TypeAdapter(Stamp).validate_python(run.measured.protocol)
    except ValidationError:
        return {}
    return stamp.known_as()
