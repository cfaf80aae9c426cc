"""The memory that a loader's processes use again."""

import pytest
import torch

from zsl.data.buffers import GOOD_FOR
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.data.table import load_data


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loaders_batches_are_good_for_a_while(photographs, workers):
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=24))
    samples = Samples(data.train)
    loader = batches_of(samples, ScoringOrder(40, 3), workers)
    for _ in range(2):  # the processes stay
        taken = []
        for number, batch in enumerate(loader):
            taken.append(opened(batch)[0])
            oldest = max(0, number - GOOD_FOR)
            assert torch.equal(taken[oldest], data.train.inputs.read(samples.rows[3 * oldest : 3 * oldest + 3]))
        assert len(taken) == 14
    flipped = Samples(data.train, augment=lambda image: image.flip(-1))
    batch = next(iter(batches_of(flipped, ScoringOrder(40, 3), workers)))
    assert torch.equal(opened(batch)[0], data.train.inputs.read(range(3)).flip(-1))
