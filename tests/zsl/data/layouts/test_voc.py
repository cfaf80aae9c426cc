"""Pascal VOC's annotations."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from zsl.data.table import load_data


def test_voc_leaves_difficult_labels_out_or_counts_them(voc):
    data = load_data(name="voc", root=voc)
    assert data.seen == ("cat", "dog", "tvmonitor")
    np.testing.assert_array_equal(data.train.targets, [[1, -1, 0], [-1, 1, 1]])
    np.testing.assert_array_equal(data.test.targets, [[-1, 1, 0], [1, 0, -1]])
    assert data.test.targets.partial
    positive = load_data(name="voc", root=voc, difficult="positive")
    np.testing.assert_array_equal(positive.train.targets, [[1, 0, 1], [0, 1, 1], [1, 0, 0]])
    assert not positive.train.targets.partial
    negative = load_data(name="voc", root=voc, difficult="negative")
    np.testing.assert_array_equal(negative.test.targets, [[0, 1, 0], [1, 0, 0]])
    path = voc / "ImageSets/Main/dog_test.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match=r"dog_test.txt annotates 1 images, test.txt has 2"):
        load_data(name="voc", root=voc)
    path.write_text("nonsense\n")
    with pytest.raises(InputError, match=r"dog_test.txt:1: 'nonsense' is not an image of test.txt with -1, 0 or 1"):
        load_data(name="voc", root=voc)


def test_a_value_of_voc_beside_a_control_letter_is_read(voc):
    path = voc / "ImageSets/Main/dog_trainval.txt"
    expected = load_data(name="voc", root=voc, image_size=16)
    path.write_bytes(path.read_bytes().replace(b" -1", b" \x1c-1"))
    np.testing.assert_array_equal(load_data(name="voc", root=voc, image_size=16).train.targets, expected.train.targets)
