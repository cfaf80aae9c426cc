"""LESA's TFRecords, and what is wrong with a user's."""

import gzip
import struct
import tracemalloc
import zlib

import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.layouts import CHANNELS, TAGS, check_features, write_tfrecords
from zsl.context import Context
from zsl.data.layouts.tfrecords import TfRecordsConfig, masked_crc, read_examples
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.table import load_data
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.writing import Extraction


@pytest.mark.parametrize("packed", [zlib.compress, gzip.compress, bytes])
def test_tfrecords_are_read(features, packed):
    root, *arrays = features
    write_tfrecords(root, *arrays, packed)
    data = load_data(TfRecordsConfig(name="tfrecords", root=root, channels=CHANNELS))
    check_features(data, *arrays)
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
