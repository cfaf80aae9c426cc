"""Files that hold their own hash: weights, checkpoints, the index of large label files."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from embeddings.io.cache import default_cache
from embeddings.io.errors import InputError, InputWarning
from zsl.data.layouts.index_cache import cached
from zsl.tensor_file import load_module, read_tensors, save_module
from zsl.training.checkpoint import Checkpoints


def _flipped(path, step):
    """The file with a bit of every `step`-th byte flipped, one after another, and cut short there."""
    whole = path.read_bytes()
    for place in range(0, len(whole), step):
        for content in (whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], whole[:place]):
            path.write_bytes(content)
            yield place
    path.write_bytes(whole)


def test_weights_come_back_and_any_flipped_byte_is_an_error(tmp_path):
    path = tmp_path / "w.safetensors"
    module = nn.Linear(2, 3).to(torch.bfloat16)
    module.register_buffer("scale", torch.tensor(2.5))  # of no axis
    sha256 = save_module(path, module)
    assert load_file(path).keys() == {"weight", "bias", "scale"}
    again = nn.Linear(2, 3).to(torch.bfloat16)
    again.register_buffer("scale", torch.tensor(0.0))
    load_module(path, again, "train again", sha256)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in module.state_dict().items())
    for _ in _flipped(path, 5):
        with pytest.raises(InputError, match=r"w\.safetensors is damaged.*; train again$"):
            read_tensors(path, "train again")
    assert save_module(tmp_path / "again", again) == sha256
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_weights_of_another_module_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    sha256 = save_module(path, nn.Linear(2, 3))
    other = save_module(path, nn.Linear(2, 3))
    with pytest.raises(InputError, match="not the file that its run wrote; restore it, or train again"):
        load_module(path, nn.Linear(2, 3), "train again", sha256)
    with pytest.raises(InputError, match="does not fit its run's config"):
        load_module(path, nn.Linear(2, 4), "train again", other)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match=r"was written by an earlier version \(it carries no sha256\); train again"):
        read_tensors(path, "train again")
    with pytest.raises(InputError, match="there is no file .*none; train again"):
        read_tensors(tmp_path / "none", "train again")


def test_a_damaged_checkpoint_names_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    for done in (1, 2):
        checkpoints.save({"model.x": torch.full((3,), float(done))}, {"done": done})
    tensors, state = checkpoints.load(dict[str, int])
    assert (tensors["model.x"].tolist(), state, tensors.keys()) == ([2.0] * 3, {"done": 2}, {"model.x"})
    path = tmp_path / "c/checkpoint.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-2] ^= 16  # of a number: safetensors' reader would take it
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged.*; remove it to continue from the one before it"):
        checkpoints.load(dict[str, int])
    path.unlink()
    assert checkpoints.load(dict[str, int])[1] == {"done": 1}
    checkpoints.save({"model.x": torch.ones(3)}, {"done": "x"})
    with pytest.raises(InputError, match=r"is damaged \(done: .*; remove it to continue from the one"):
        checkpoints.load(dict[str, int])


def test_a_damaged_index_heals(tmp_path):
    source = tmp_path / "labels.txt"
    source.write_text("a b c")
    made = {"entries": np.arange(6, dtype=np.int32).reshape(3, 2), "names": np.frombuffer(b"abc", np.uint8)}
    calls = []

    def read():
        def parse():
            calls.append(1)
            return made

        return cached("test/1", [source], ["x"], parse)

    def same():
        np.testing.assert_equal(read(), made)

    same()
    same()
    assert len(calls) == 1
    (path,) = default_cache().iterdir()
    for count, _ in enumerate(_flipped(path, 61), 2):
        with pytest.warns(InputWarning, match="index .*safetensors of .*labels.txt is damaged .*; it is made again"):
            same()
        assert len(calls) == count
    same()
    assert len(calls) == count
