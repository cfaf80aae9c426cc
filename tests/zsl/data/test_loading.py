"""Which images a process gets, and that nothing but seed, epoch and image decides what it makes of them."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, ScoringOrder, TrainingOrder, batches_of, mixed, opened
from zsl.data.targets import Targets

IMAGES = 23


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [4, 11, 22, 64])
def test_every_image_counts_once_an_epoch(processes, pieces, batch_size):
    one = TrainingOrder(IMAGES, batch_size, seed=3)
    orders = [TrainingOrder(IMAGES, batch_size, 3, processes, process, pieces) for process in range(processes)]
    for epoch in range(2):
        for order in (one, *orders):
            order.begin(epoch, 0)
        lists = [list(order) for order in orders]
        assert {len(found) for found in lists} == {one.steps * pieces}
        for step in range(one.steps):
            counted = [
                index
                for order, found in zip(orders, lists, strict=True)
                for piece in range(pieces)
                if order.counts(step, piece)
                for index in found[step * pieces + piece]
            ]
            assert sorted(counted) == sorted(epoch * IMAGES + one.batch(step))
        assert sorted(np.concatenate([one.batch(step) for step in range(one.steps)])) == list(range(IMAGES))


def test_an_epoch_can_start_at_any_step_and_depends_on_the_seed():
    order = TrainingOrder(IMAGES, 4, seed=0)
    order.begin(2, 0)
    whole = list(order)
    order.begin(2, 3)
    assert list(order) == whole[3:]
    assert len(order) == len(whole) - 3
    order.begin(1, 0)
    assert [i % IMAGES for batch in order for i in batch] != [i % IMAGES for batch in whole for i in batch]
    other = TrainingOrder(IMAGES, 4, seed=1)
    other.begin(2, 0)
    assert list(other) != whole


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_scoring_deals_whole_batches_in_order(processes):
    one = list(ScoringOrder(IMAGES, 5))
    assert one == [list(range(start, min(start + 5, IMAGES))) for start in range(0, IMAGES, 5)]
    dealt = [list(ScoringOrder(IMAGES, 5, processes, process)) for process in range(processes)]
    turns = [batch for turn in zip(*dealt, strict=True) for batch in turn]
    assert turns[: len(one)] == one
    assert all(batch == one[-1] for batch in turns[len(one) :])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_value_that_is_not_finite_names_its_image(dtype, value):
    largest = torch.finfo(dtype).max
    tokens = torch.full((IMAGES, 5, 37), largest, dtype=dtype)  # finite, though no sum of them is
    part = Part(Tensors(tokens), Targets.of(np.eye(IMAGES)))
    for order in (TrainingOrder(IMAGES, 4, seed=0), ScoringOrder(IMAGES, 4)):
        assert sum(len(opened(batch)[1]) for batch in batches_of(Samples(part), order)) == IMAGES
        for token, channel in ((0, 0), (4, 36), (2, 17)):
            tokens[11, token, channel] = value
            with pytest.raises(InputError, match="features of image 11 hold NaN or infinity"):
                list(map(opened, batches_of(Samples(part), order)))
            tokens[11] = largest


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has cores
def test_augmentation_does_not_depend_on_the_batch_or_the_worker():
    images = torch.randint(0, 256, (IMAGES, 3, 8, 8), dtype=torch.uint8)
    part = Part(Tensors(images), Targets.of(np.eye(IMAGES)))

    def noise(image):
        return torch.randint_like(image, 256)

    def read(samples, order, workers):
        return torch.cat([opened(batch)[0] for batch in batches_of(samples, order, workers)])

    def of(seed, epoch, batch_size, workers):
        samples, order = Samples(part, augment=noise, seed=seed), TrainingOrder(IMAGES, batch_size, 0)
        order.begin(epoch, 0)
        return read(samples, order, workers)[np.argsort(order.permutation)]

    first = of(0, 0, 4, 0)
    assert torch.equal(first, of(0, 0, 7, 0))
    assert torch.equal(first, of(0, 0, 4, 3))
    assert not torch.equal(first, of(0, 1, 4, 0))
    assert not torch.equal(first, of(1, 0, 4, 0))


def test_hashes_of_numbers_differ():
    found = np.concatenate([mixed(seed, epoch, np.arange(1000)) for seed in range(3) for epoch in range(3)])
    assert len(np.unique(found)) == len(found)
    assert np.array_equal(mixed(1, 2, np.arange(5))[[3]], mixed(1, 2, np.array([3])))
    assert abs((found % np.uint64(4)).mean() - 1.5) < 0.05
