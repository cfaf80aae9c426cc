"""CIFAR-100's binary version."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from zsl.data.table import load_data


def test_cifar100_is_read_from_its_binary_version(cifar, tmp_path):
    root, written = cifar
    data = load_data(name="cifar100", root=root)
    np.testing.assert_array_equal(data.train.targets, np.eye(3)[[2, 0, 1, 2]])
    np.testing.assert_array_equal(data.train.inputs.read([3, 1]), written["train"][[3, 1]])
    assert load_data(name="cifar100", root=root, image_size=48).test.inputs.read([0, 1]).shape == (2, 3, 48, 48)
    (tmp_path / "unseen.txt").write_text("bear\n")
    data = load_data(name="cifar100", root=root, unseen=tmp_path / "unseen.txt")
    assert (data.seen, data.unseen) == (("apple", "crab"), ("bear",))
    np.testing.assert_array_equal(data.train.targets, np.eye(2)[[1, 0, 1]])
    np.testing.assert_array_equal(data.test.targets, np.eye(3)[[2, 1]])
    (tmp_path / "unseen.txt").write_text("cow\n")
    with pytest.raises(InputError, match="CIFAR-100 has no label 'cow'"):
        load_data(name="cifar100", root=root, unseen=tmp_path / "unseen.txt")
    path = root / "train.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"train.bin is incomplete"):
        load_data(name="cifar100", root=root)
