"""safetensors files with their own hash: intact ones are read, changed ones are told."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from embeddings.io.hashed_file import UNHASHED, check, dump


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "x").open("wb") as opened:
        sha256 = dump(opened, save({"x": np.arange(7)}, metadata=UNHASHED))
    return tmp_path / "x", sha256


def test_an_intact_file_has_its_hash(file):
    path, sha256 = file
    begin, header = check(path)
    assert header["__metadata__"]["sha256"] == sha256
    np.testing.assert_array_equal(np.frombuffer(path.read_bytes()[begin:], np.int64), np.arange(7))


def test_any_changed_byte_is_an_error(file):
    path, _ = file
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError):  # noqa: PT011 - what is wrong depends on the byte
            check(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "ends within its first 8 bytes"),
        (b"[]", "its header is not a table"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "carries no sha256"),
        (json.dumps({"__metadata__": {"sha256": "f" * 63}}).encode(), "carries no sha256"),
    ],
)
def test_a_header_without_a_hash_is_an_error(tmp_path, header, message):
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header if header else b"")
    with pytest.raises(ValueError, match=message):
        check(tmp_path / "x")
    (tmp_path / "x").write_bytes((1 << 40).to_bytes(8, "little"))
    with pytest.raises(ValueError, match="its header is too long"):
        check(tmp_path / "x")
