"""BiAM's and MKT's HDF5 files, and what is wrong with a user's."""

import zlib

import h5py
import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.layouts import KNOWN, TRIED, check_features, write_hdf5
from zsl.data.layouts import hdf5
from zsl.data.layouts.hdf5 import Hdf5Config, stored_array
from zsl.data.table import load_data


@pytest.mark.parametrize(("joined", "nested"), [(True, False), (False, True)])
def test_hdf5_files_are_read(features, joined, nested):
    root, *arrays = features
    write_hdf5(root, *arrays, joined, nested)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    check_features(data, *arrays)
    assert data.kind == "tokens"
    labelled = load_data(Hdf5Config(name="hdf5", root=root, test="labelled"))
    assert len(labelled.test.inputs) == len(labelled.test.targets) == int((arrays[2][KNOWN:] > 0).any(1).sum()) < TRIED


def test_hdf5_files_that_do_not_fit_are_named(features):
    root, values, tags, truth = features
    config = Hdf5Config(name="hdf5", root=root)
    with pytest.raises(InputError, match=r"no file .*nus_wide_train.h5"):
        load_data(config)
    write_hdf5(root, values, tags, truth)
    path = root / "features/nus_wide_test.h5"
    whole = path.read_bytes()
    with h5py.File(path, "a") as file:
        del file["actor_0025.jpg-features"]
        file["actor_0025.jpg-features"] = values[0, :, :3]
    with pytest.raises(InputError, match=r"features of actor_0025.jpg are \(7, 3\), those of actor_0023.jpg \(7, 6\)"):
        load_data(config)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["actor_0025.jpg-labels"]
        file["actor_0025.jpg-labels"] = np.ones(5, np.int8)
    with pytest.raises(InputError, match=r"actor_0025.jpg has 5 labels, but data.tags and data.concepts name 6"):
        load_data(config)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"nus_wide_test.h5 is no whole HDF5 file"):
        load_data(config)
    write_hdf5(root, values[:, :, :3], tags, truth)
    shorter = path.read_bytes()
    write_hdf5(root, values, tags, truth)
    path.write_bytes(shorter)
    with pytest.raises(InputError, match=r"features of different shapes: .*\(7, 6\).*\(7, 3\)"):
        load_data(config)


def _virtual():
    layout = h5py.VirtualLayout((7, 6), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (7, 6))
    return layout


def _twice(file):
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((1000, 1000))
    made.set_deflate(9)
    made.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_MANDATORY)
    space = h5py.h5s.create_simple((1000, 1000))
    h5py.Dataset(h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, space, made))[:] = 0


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda f: f.create_dataset("x", (2**20, 1000), "f4", chunks=(1024, 1000)), "x declares 4,194,304,000 bytes"),
        (lambda f: f.create_dataset("x", (2**40,), "f4"), "x declares 4,398,046,511,104 bytes of numbers, but has 0"),
        (
            lambda f: f.create_dataset("x", data=np.zeros((300, 1000)), compression="gzip"),
            r"x declares 2,400,000 bytes of numbers, but has \d,\d+ in the file",
        ),
        (
            lambda f: f.create_dataset("x", (7, 6), "f4", chunks=(7, 2**20), maxshape=(7, None), compression="gzip"),
            "x declares 29,360,128 bytes of numbers, but has 0",
        ),
        (lambda f: f.create_dataset("x", (7, 6), "f4", external=[("/etc/passwd", 0, 168)]), "x is in other files"),
        (lambda f: f.create_virtual_dataset("x", _virtual()), "x is in other files"),
        (lambda f: f.__setitem__("x", h5py.ExternalLink("other.h5", "x")), "x is a link to another place"),
        (lambda f: f.__setitem__("x", h5py.SoftLink("/x")), "x is a link to another place"),
        (lambda f: _twice(f), "x is compressed several times"),
        (
            lambda f: f.create_dataset("x", data=["a"], dtype=h5py.string_dtype()),
            "no array of numbers",
        ),
        (lambda f: f.create_group("x"), "not a dataset"),
        (lambda f: None, "there is no x"),
    ],
)
def test_hdf5_arrays_whose_numbers_are_not_in_the_file(tmp_path, make, told):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        make(file)
    with h5py.File(tmp_path / "x.h5") as file, pytest.raises((ValueError, KeyError, TypeError), match=told):
        stored_array(file, "x")


def test_hdf5_chunks_that_unpack_to_more_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "LARGE_CHUNK", 1_000)
    values = np.random.default_rng(0).random((50, 60)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        options = {"chunks": (50, 60), "compression": "gzip", "shuffle": True, "fletcher32": True}
        np.testing.assert_array_equal(hdf5.numbers(file.create_dataset("x", data=values, **options)), values)
        bomb = file.create_dataset("y", data=values, **options)
        bomb.id.write_direct_chunk((0, 0), zlib.compress(bytes(2_000_000)) + bytes(4))
        with pytest.raises(ValueError, match="a chunk of 1,9.. bytes unpacks to more than 12,000"):
            hdf5.numbers(bomb)


@pytest.mark.parametrize(
    "options", [{}, {"chunks": True}, {"compression": "gzip", "shuffle": True, "fletcher32": True}]
)
def test_hdf5_arrays_of_every_storage(tmp_path, options):
    values = np.random.default_rng(0).random((70, 60), np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, **options)
        np.testing.assert_array_equal(stored_array(file, "x"), values)
