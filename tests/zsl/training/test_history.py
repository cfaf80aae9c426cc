"""What a training has come to, beside chance."""

import numpy as np
import pytest

from zsl.data.targets import Targets
from zsl.metrics.average_precision import average_precision
from zsl.metrics.chance import chance_average_precision
from zsl.training.history import chance_of, validation_map


def test_means_are_over_labels_with_a_positive():
    generator = np.random.default_rng(0)
    table = (generator.random((31, 7)) < 0.2).astype(np.int8)
    table[:, 3] = 0
    scores = generator.normal(size=table.shape)
    targets = Targets.of(table)
    assert validation_map(scores, targets) == np.nanmean(average_precision(scores, table))
    assert chance_of(targets) == pytest.approx(np.nanmean(chance_average_precision(table)), rel=1e-12)


def test_entries_that_nobody_annotated_are_left_out():
    generator = np.random.default_rng(1)
    values = generator.integers(-1, 2, (31, 7))
    rows, columns = np.nonzero(values)
    targets = Targets.of_entries(rows, columns, values.shape, values[rows, columns], partial=True)
    scores = generator.normal(size=values.shape)
    expected = np.nanmean(average_precision(scores, values > 0, values != 0))
    assert validation_map(scores, targets) == pytest.approx(expected, rel=1e-12)
    assert chance_of(targets) == pytest.approx(np.nanmean(chance_average_precision(values > 0, values != 0)), rel=1e-12)
