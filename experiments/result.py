"""What one evaluation comes to, and its files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings import atomic
from zsl.evaluation import Evaluation
from zsl.per_label import PerLabel
from zsl.protocol import TestSet


@dataclass(frozen=True)
class Result:
    """An evaluation with what it rests on; `scores` are (image, label) by protocol."""

    name: str
    test: TestSet
    scores: Mapping[str, np.ndarray]
    evaluation: Evaluation
    labels: PerLabel


def save_metrics(result: Result, folder: Path) -> None:
    """`metrics.json` and `labels.csv`."""
    found = result.evaluation
    content = {"metrics": found.metrics, "intervals": found.intervals, "protocol": found.stamp.as_json()}
    atomic.write_text(folder / "labels.csv", result.labels.as_csv())
    # last: a grid takes a run with a metrics.json for finished
    atomic.write_text(folder / "metrics.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
