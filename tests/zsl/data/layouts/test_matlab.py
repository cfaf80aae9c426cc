"""Matlab files that would take the memory, or end the process, of their reader."""

import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from embeddings.io.errors import InputError
from zsl.data.layouts import matlab
from zsl.data.table import load_data


def test_matlab_files_of_zeros_are_refused(cars, monkeypatch):
    monkeypatch.setattr(matlab, "MEMORY", 1 << 28)
    path = cars / "devkit/cars_meta.mat"
    size = 300 * 2**20
    savemat(path, {"class_names": np.zeros(3)})
    head = bytearray(path.read_bytes()[:-24])
    for place, number in ((128 + 4, len(head) - 136 + size), (128 + 8 + 16 + 12, size // 8), (len(head) - 4, size)):
        head[place : place + 4] = number.to_bytes(4, "little")
    pack = zlib.compressobj(1)
    packed = pack.compress(bytes(head[128:])) + b"".join(pack.compress(bytes(2**20)) for _ in range(300)) + pack.flush()
    path.write_bytes(bytes(head[:128]) + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 3 * 2**20
    with pytest.raises(InputError, match=r"cars_meta.mat is no Matlab file .*MemoryError"):
        load_data(name="stanford_cars", root=cars)


def test_a_matlab_file_that_crashes_its_reader_gives_a_one_line_error(cars, monkeypatch):
    script = cars / "killed.py"
    script.write_text("import os\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr(matlab, "__file__", str(script))
    with pytest.raises(InputError, match=r"cars_meta.mat is no Matlab file .*its parts do not fit together"):
        load_data(name="stanford_cars", root=cars)
