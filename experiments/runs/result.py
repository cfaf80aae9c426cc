"""The result of one evaluation, and its files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import FiniteFloat

from embeddings.io import atomic
from experiments.runs.looking import Looked
from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.per_label import PerLabel
from zsl.evaluation.protocol import TestSet

BOOTSTRAP = "bootstrap.json"
Replicates = dict[str, list[FiniteFloat | None]]  # of each metric that was bootstrapped; None where it is not defined
Metrics = dict[str, FiniteFloat]  # by "protocol/metric"


@dataclass(frozen=True)
class Measured:
    """`metrics.json`: figures, their intervals, and the protocol stamp."""

    metrics: Metrics
    protocol: dict[str, Any]
    intervals: dict[str, tuple[FiniteFloat, FiniteFloat]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """An evaluation, with the scores and the test set behind it.

    Args:
        name: of the run or the file of scores, for tables.
        test: the test set.
        scores: (image, label) by protocol.
        evaluation: the measures.
        labels: results label by label.
        looked: where the model looked in a test image; None if it cannot say, or if only scores are known.
    """

    name: str
    test: TestSet
    scores: Mapping[str, np.ndarray]
    evaluation: Evaluation
    labels: PerLabel
    looked: Looked | None = None


def save_metrics(result: Result, folder: Path) -> None:
    """Writes `metrics.json` and `labels.csv` into a folder."""
    found = result.evaluation
    measured = Measured(dict(found.metrics), found.stamp.as_json(), dict(found.intervals))
    atomic.write_text(folder / "labels.csv", result.labels.as_csv())
    # last: to a grid, a run with a metrics.json is finished
    atomic.write_text(folder / "metrics.json", json.dumps(asdict(measured), indent=1, allow_nan=False) + "\n")


def save_replicates(result: Result, folder: Path) -> None:
    """Writes `bootstrap.json`, by which tables test differences between runs over the same draws of test images."""
    kept: Replicates = {
        name: [None if np.isnan(value) else float(f"{value:.6g}") for value in values.tolist()]
        for name, values in result.evaluation.replicates.items()
    }
    atomic.write_text(folder / BOOTSTRAP, json.dumps(kept, allow_nan=False) + "\n")
