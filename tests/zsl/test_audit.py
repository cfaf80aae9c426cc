"""The state of an audit, damaged."""

import json

import numpy as np
import pytest
import torch

from embeddings import InputError
from zsl.audit import look_at_images
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.targets import Targets


@pytest.fixture
def data():
    part = Part(Tensors(torch.zeros(3, 1, 2)), Targets.of(np.ones((3, 1))))
    return MultiLabelData("made", ("sky",), (), part, part, "tokens", "x")


# a file's name that is no UTF-8
GOOD = json.dumps(["a\udce4.jpg", "1 2", "", "0"])


@pytest.mark.parametrize(
    "line", [b"\xff", b"[" * 10_000, b"[1, 2, 3, 4]", b'["a"]', b'{"a": 1}', b'"abcd"', b"9" * 5000]
)
def test_a_state_that_is_none_is_one_line(data, tmp_path, line):
    state = tmp_path / "state"
    state.write_bytes(line)
    with pytest.raises(InputError, match="state is no state of an audit; give another --state, or remove it"):
        look_at_images(data, state=state)
    assert state.read_bytes() == line
    state.write_bytes(GOOD.encode() + b"\n" + line)  # as a kill leaves it
    assert look_at_images(data, state=state).broken == {}
