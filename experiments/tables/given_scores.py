"""Scores of any system, read from files and measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.texts import read_labels
from experiments.config.reading import load_config, validated_settings
from experiments.runs.result import Result
from zsl.data.table import load_data
from zsl.evaluation.matching import as_test_set, match
from zsl.evaluation.measures import measure
from zsl.evaluation.named_matrix import named, read_matrix
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet
from zsl.evaluation.saved_scores import SavedScores, load_scores
from zsl.evaluation.stamp import UNKNOWN
from zsl.runs.config import RunConfig


@dataclass(frozen=True)
class Given:
    """What scores of other systems are measured against, and how.

    Args:
        targets: a file of targets; or
        config: a recipe or a TOML file of the dataset whose test annotations are the targets.
        labels: a file with the names of the columns, for files of scores and targets without names.
        unseen: a file with the names of the unseen labels, for targets from a file.
        shift: a bias on seen logits that was chosen on validation data.
        bank: word vectors, for the similarity to seen labels.
        settings: `evaluate.*`, and those of the config.
    """

    targets: Path | None = None
    config: str | None = None
    labels: Path | None = None
    unseen: Path | None = None
    shift: float | None = None
    bank: Path | None = None
    settings: Sequence[str] = ()


def result_of_scores(path: Path, given: Given) -> Result:
    """Measures scores of any system.

    Args:
        path: a folder of scores that `zsl evaluate RUN` saved, or a file for `zsl.evaluation.named_matrix.read_matrix`.
        given: what they are measured against; a folder of saved scores holds its own test set.
    Raises:
        InputError: files that cannot be read, or do not fit together.
    """
    form = UNKNOWN
    if path.is_dir():
        saved, config, train_images = *_saved(path, given), None
        scores, test, form = saved.scores, saved.test, saved.form
    else:
        scores, test, config, train_images = _matched(path, given)
    if given.shift is not None and "gzsl" not in scores:
        raise InputError(f"--shift is for scores of seen and unseen labels together, which {path} lacks; leave it out")
    found = measure(scores, test, config.evaluate.k, config.evaluate.bootstrap, given.shift, form)
    rows = per_label(found, test, None if given.bank is None else Bank.load(given.bank), train_images)
    return Result(str(path), test, scores, found, rows)


Read = tuple[dict[str, np.ndarray], TestSet, RunConfig, np.ndarray | None]


def _saved(folder: Path, given: Given) -> tuple[SavedScores, RunConfig]:
    """Saved scores, with the test set beside them."""
    if given.targets or given.config or given.labels or given.unseen:
        raise InputError(f"{folder} holds its own targets; leave out --targets, --config, --labels and --unseen")
    config = validated_settings(list(given.settings), ("evaluate.",))
    return load_scores(folder), config


def _matched(path: Path, given: Given) -> Read:
    """The scores of a file in the order of a test set; the last entry counts training images by seen label."""
    if (given.targets is None) == (given.config is None):
        raise InputError(f"to measure {path} give either --targets FILE or --config CONFIG")
    names, train_images = read_labels(given.labels) if given.labels else None, None
    if given.targets is not None:
        config = validated_settings(list(given.settings), ("evaluate.",))
        unseen = read_labels(given.unseen) if given.unseen else ()
        test = as_test_set(named(read_matrix(given.targets, "targets"), names), unseen)
    else:
        if given.unseen is not None:
            raise InputError("--unseen is for --targets; the unseen labels of a dataset are in its config")
        assert given.config is not None
        config = load_config(given.config, list(given.settings))
        data = load_data(config.data)
        test, train_images = TestSet.of(data), data.train.targets.label_counts()
    return match(named(read_matrix(path, "scores"), names), test), test, config, train_images
