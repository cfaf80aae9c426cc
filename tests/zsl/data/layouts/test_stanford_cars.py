"""Stanford Cars' Matlab files."""

import numpy as np
import pytest
from scipy.io import savemat

from embeddings.io.errors import InputError
from tests.zsl.layouts import CARS
from zsl.data.table import load_data


def test_stanford_cars_are_read_from_matlab_files(cars):
    data = load_data(name="stanford_cars", root=cars)
    assert data.seen == CARS
    np.testing.assert_array_equal(data.train.targets, [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(data.test.targets, [[0, 1, 0]])
    (cars / "devkit/cars_test_annos_withlabels.mat").rename(cars / "cars_test_annos_withlabels.mat")
    assert load_data(name="stanford_cars", root=cars).fingerprint == data.fingerprint
    (cars / "devkit/cars_meta.mat").write_bytes(b"no matlab file")
    with pytest.raises(InputError, match="cars_meta.mat is no Matlab file with 'class_names'"):
        load_data(name="stanford_cars", root=cars)


def test_a_cars_file_without_classes_is_named(cars):
    savemat(
        cars / "devkit/cars_test_annos_withlabels.mat",
        {"annotations": np.array([(1, "00000.jpg")], [("bbox_x1", object), ("fname", object)])},
    )
    with pytest.raises(InputError, match="cars_test_annos_withlabels.mat has no classes"):
        load_data(name="stanford_cars", root=cars)
