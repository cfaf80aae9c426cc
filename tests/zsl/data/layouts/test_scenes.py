"""The drawn dataset."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.data.layouts.drawing import vocabulary
from zsl.data.layouts.scenes import ScenesConfig
from zsl.data.table import load_data


def test_scenes_have_the_shape_of_nus_wide():
    seen, unseen, synonyms = vocabulary()
    assert (len(seen), len(unseen), len(synonyms)) == (925, 81, 81)
    assert len({*seen, *unseen, *synonyms}) == 925 + 81 + 81
    data = load_data(ScenesConfig(train=50, test=300, image_size=32))
    assert data.train.targets.image_counts().min() >= 1
    assert data.train.targets.image_counts().max() <= 5
    assert data.test.targets.label_counts()[925:].any()
    assert data.renamed["synonyms"] == tuple(synonyms)


def test_scenes_of_fewer_labels_closed_and_of_one_label_a_picture():
    data = load_data(ScenesConfig(train=40, test=30, image_size=32, seen=13, unseen=0, objects=1))
    assert (len(data.seen), data.unseen, data.renamed) == (13, (), {})
    assert data.test.targets.shape == (30, 13)
    assert (data.train.targets.image_counts() == 1).all()
    larger = load_data(ScenesConfig(train=40, test=30, image_size=48, seen=13, unseen=0, objects=1))
    np.testing.assert_array_equal(data.test.targets, larger.test.targets)  # the size of pictures changes no label
    for wrong, told in (({"seen": 1000, "unseen": 9}, "is 1009, but there are 1,008"), ({"seen": 3}, "objects is 5")):
        with pytest.raises(InputError, match=told):
            ScenesConfig(**wrong)


def test_scenes_are_drawn_the_same_for_a_seed_and_differently_for_another():
    first, again, other = (load_data(ScenesConfig(train=5, test=2, image_size=32, seed=s)) for s in (3, 3, 4))
    assert torch.equal(first.train.inputs.values, again.train.inputs.values)
    assert not torch.equal(first.train.inputs.values, other.train.inputs.values)
    longer = load_data(ScenesConfig(train=9, test=2, image_size=32, seed=3))
    assert torch.equal(first.train.inputs.values, longer.train.inputs.values[:5])
