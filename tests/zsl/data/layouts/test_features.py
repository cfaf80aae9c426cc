"""Other groups' feature files: BiAM's and MKT's HDF5, LESA's TFRecords; training from them."""

import gzip
import json
import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.experiments.command import refused, zsl
from tests.zsl.layouts import CHANNELS, CONCEPTS, KNOWN, TAGS, TRIED, write_hdf5, write_tfrecords
from zsl.context import Context
from zsl.data.layouts import hdf5
from zsl.data.layouts.hdf5 import Hdf5Config, stored_array
from zsl.data.layouts.tfrecords import TfRecordsConfig, masked_crc, read_examples
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.table import load_data
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.writing import Extraction


def _check(data, values, tags, truth):
    assert (data.seen, data.unseen) == (("sky", "whale", "old dog"), CONCEPTS)
    usable = [row for row in range(KNOWN) if (tags[row, :3] > 0).any()]
    assert len(usable) < KNOWN
    np.testing.assert_array_equal(data.train.targets, tags[usable, :3] > 0)
    np.testing.assert_array_equal(data.test.targets, np.concatenate([tags[KNOWN:, :3], truth[KNOWN:]], axis=1) > 0)
    rows = [3, 1, 4]
    expected = values[[usable[row] for row in rows]].transpose(0, 2, 1)
    np.testing.assert_array_equal(data.train.inputs.read(rows), expected)
    np.testing.assert_array_equal(data.test.inputs.read(range(TRIED)), values[KNOWN:].transpose(0, 2, 1))


@pytest.mark.parametrize(("joined", "nested"), [(True, False), (False, True)])
def test_hdf5_files_are_read(features, joined, nested):
    root, *arrays = features
    write_hdf5(root, *arrays, joined, nested)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    _check(data, *arrays)
    assert data.kind == "tokens"
    labelled = load_data(Hdf5Config(name="hdf5", root=root, test="labelled"))
    assert len(labelled.test.inputs) == len(labelled.test.targets) == int((arrays[2][KNOWN:] > 0).any(1).sum()) < TRIED


@pytest.mark.parametrize("packed", [zlib.compress, gzip.compress, bytes])
def test_tfrecords_are_read(features, packed):
    root, *arrays = features
    write_tfrecords(root, *arrays, packed)
    data = load_data(TfRecordsConfig(name="tfrecords", root=root, channels=CHANNELS))
    _check(data, *arrays)
    (first, *_) = read_examples(root / "TFRecords/NUS_WIDE_Train_full_feature_ZLIB.tfrecords")
    assert first["img_id"] == b"./data/0.jpg"


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has cores
@pytest.mark.parametrize("workers", [0, 3])
def test_tfrecords_are_rewritten_by_several_processes(features, tmp_path, workers):
    root, *arrays = features
    write_tfrecords(root, *arrays)
    data = load_data(TfRecordsConfig(name="tfrecords", root=root, channels=CHANNELS))
    settings = Extraction(dtype="fp16", rows=5)
    extract(None, data, tmp_path / "tokens", settings, Context.of("fp32", batch_size=2, workers=workers))
    again = load_data(TokensConfig(name="tokens", root=tmp_path / "tokens"))
    expected = data.train.inputs.read(range(len(data.train.inputs)))
    found = again.train.inputs.read(range(len(expected))).float()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_features_too_large_for_fp16_are_refused(features, tmp_path):
    root, values, *arrays = features
    write_hdf5(root, 1e5 * values, *arrays)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    with pytest.raises(InputError, match="tokens of .*jpg are not finite: too large for --dtype fp16"):
        extract(None, data, tmp_path / "tokens", Extraction(dtype="fp16"), Context.of("fp32"))


def test_features_that_are_no_numbers_are_named(features, tmp_path):
    root, values, *arrays = features
    values[1, 2, 3] = np.nan
    write_hdf5(root, values, *arrays)
    data = load_data(Hdf5Config(name="hdf5", root=root))
    name = data.train.inputs.name(1)
    with pytest.raises(InputError, match=f"features of {name} hold NaN or infinity; .*; or give --skip-unreadable"):
        extract(None, data, tmp_path / "tokens", Extraction(), Context.of("fp32"))
    extract(None, data, tmp_path / "left", Extraction(skip_unreadable=True), Context.of("fp32"))
    again = load_data(TokensConfig(name="tokens", root=tmp_path / "left"))
    assert len(again.train.targets) == len(data.train.targets) - 1


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
def test_hdf5_arrays_that_the_file_does_not_hold(tmp_path, make, told):
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
    "options", [{}, {"chunks": True}, {"compression": "gzip", "shuffle": True, "fletcher32": True}]
)
def test_hdf5_arrays_of_every_storage(tmp_path, options):
    values = np.random.default_rng(0).random((70, 60), np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, **options)
        np.testing.assert_array_equal(stored_array(file, "x"), values)


def test_tfrecords_that_do_not_fit_are_named(features):
    root, *arrays = features
    write_tfrecords(root, *arrays)
    path = root / "TFRecords/NUS_WIDE_Test_full_feature_ZLIB.tfrecords"
    whole = path.read_bytes()
    config = TfRecordsConfig(name="tfrecords", root=root, channels=CHANNELS)
    for broken in (
        whole[: len(whole) // 2],
        whole[:40] + b"xxxx" + whole[44:],
        zlib.compress(zlib.decompress(whole)[:-9]),
    ):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"NUS_WIDE_Test_full_feature_ZLIB.tfrecords is no whole TFRecord file"):
            load_data(config)
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"record 0 has 42 numbers in 'feature' instead of 8 x 5"):
        load_data(config.model_copy(update={"channels": 5}))
    (root / "NUS_WID_Tags/TagList1k.txt").write_text("\n".join(TAGS[:4]))
    with pytest.raises(InputError, match=r"record 0 has 5 numbers in 'label_1k' instead of 4"):
        load_data(config)


def _record(length, content=b""):
    head = struct.pack("<Q", length)
    return head + struct.pack("<I", masked_crc(head)) + content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_record(2**40), "a record of 1,099,511,627,776 bytes"),
        (_record(2**26, b"x"), "it ends within a record"),
        (_record(9, b"\xff" * 9 + bytes(4)), "index out of range"),
        (_record(90, b"\xff" * 90 + bytes(4)), "a number of more than 64 bits"),
        (zlib.compress(bytes(1 << 25)), "a record's length is damaged"),
        (zlib.compress(_record(2**26 + 1, bytes(1 << 25))), "a record of 67,108,865 bytes"),
        (zlib.compress(zlib.compress(bytes(1 << 25))), "a record's length is damaged"),
        (gzip.compress(_record(20, bytes(10))), "it ends within a record"),
    ],
)
def test_tfrecords_take_no_more_memory_than_a_record(tmp_path, content, told):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"x.tfrecords is no whole TFRecord file \({told}\); fetch it again"):
        list(read_examples(path))
    assert tracemalloc.get_traced_memory()[1] < 1 << 23
    tracemalloc.stop()


@pytest.mark.parametrize("layout", ["hdf5", "tfrecords"])
def test_features_are_rewritten_and_trained_from(features, tmp_path, layout):
    root, *arrays = features
    write_hdf5(root, *arrays)
    write_tfrecords(root, *arrays)
    config = tmp_path / "config.toml"
    sections = (
        '[bank]\nencoder = "lexical:16"\n[decoder]\nwidth = 16\nffn = 16\ngroup_size = 2\ndropout = 0.0\n'
        "[train]\nepochs = 1\nema = 0.0\nbatch_size = 8\nvalidation = 0.2\n[evaluate]\nk = [1]\nbatch_size = 4\n"
    )
    channels = f"channels = {CHANNELS}\n" if layout == "tfrecords" else ""
    config.write_text(f'[data]\nname = "{layout}"\nroot = "{root}"\n{channels}{sections}')
    if layout == "tfrecords":
        refused(zsl("train", config, "--out", tmp_path / "x"), "in order alone", "zsl data extract")
    else:
        assert zsl("train", config, "--out", tmp_path / "x").exit_code == 0
    done = zsl("data", "extract", config, "--out", tmp_path / "tokens", "--rows", 8, "--dtype", "fp16")
    assert done.exit_code == 0, done.output
    tokens = ("--set", "data.name=tokens", "--set", f"data.root={tmp_path / 'tokens'}")
    config.write_text(f"[data]\nname = 'x'\n{sections}")
    assert zsl("train", config, "--out", tmp_path / "run", *tokens).exit_code == 0
    assert zsl("evaluate", tmp_path / "run").exit_code == 0
    stored = load_data(Hdf5Config(name="hdf5", root=root)).train.inputs.read(range(5))
    manifest = json.loads((tmp_path / "tokens/manifest.json").read_text())
    assert manifest["parts"]["test"]["images"] == TRIED
    again = load_data(TokensConfig(name="tokens", root=tmp_path / "tokens")).train.inputs.read(range(5))
    torch.testing.assert_close(again.float(), stored, rtol=1e-3, atol=1e-3)
