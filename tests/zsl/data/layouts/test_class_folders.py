"""A folder of images for each class."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.layouts import picture
from zsl.data.table import load_data


def test_class_folders_are_a_closed_set_or_have_unseen_classes(classes):
    config = {"name": "class_folders", "root": classes, "names": classes / "names.txt"}
    data = load_data(**config)
    assert data.seen == ("great white shark", "tench", "goldfish, Carassius")
    assert data.unseen == ()
    np.testing.assert_array_equal(data.train.targets, np.repeat(np.eye(3), 3, axis=0))
    np.testing.assert_array_equal(data.test.targets, np.repeat(np.eye(3), 2, axis=0))
    data = load_data(**config, unseen=classes / "unseen.txt")
    assert (data.seen, data.unseen) == (("great white shark", "goldfish, Carassius"), ("tench",))
    np.testing.assert_array_equal(data.train.targets, np.repeat(np.eye(2), 3, axis=0))
    np.testing.assert_array_equal(data.test.targets, np.repeat(np.eye(3)[[0, 2, 1]], 2, axis=0))
    assert data.leaked == 0
    assert load_data(name="class_folders", root=classes).seen == ("n01", "n02", "n03")


def test_wrong_class_folders_are_named(classes):
    config = {"name": "class_folders", "root": classes}
    picture(classes / "val/n09/0.jpg")
    with pytest.raises(InputError, match="val/n09: no training folder of this class"):
        load_data(**config)
    with pytest.raises(InputError, match="no name for folder n09"):
        load_data(**config, names=classes / "names.txt")
    (classes / "names.txt").write_text("n01 crane\nn02 crane\nn03 x\nn09 y\n")
    with pytest.raises(InputError, match="two folders the name 'crane'"):
        load_data(**config, names=classes / "names.txt")
    with pytest.raises(InputError, match="no folder .*nowhere"):
        load_data(**config, test="nowhere")
