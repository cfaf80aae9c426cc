"""What an audit says of names, and the state of an audit, damaged."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from embeddings.io.errors import InputError
from zsl.data.audit import audit, look_at_images
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.table import load_data
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
def test_a_file_that_is_not_a_state_gives_a_one_line_error(data, tmp_path, line):
    state = tmp_path / "state"
    state.write_bytes(line)
    with pytest.raises(InputError, match="state is not the state of an audit; give another --state, or remove it"):
        look_at_images(data, state=state)
    assert state.read_bytes() == line
    state.write_bytes(GOOD.encode() + b"\n" + line)  # as a kill leaves it
    assert look_at_images(data, state=state).broken == {}


def _findings(root, *rows, unseen=()):
    lines = [f"{number}.png,{row}" for number, row in enumerate(rows)]
    for number in range(len(rows)):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(root / f"{number}.png")
    (root / "labels.csv").write_text("\n".join(lines))
    (root / "test.txt").write_text(f"{len(rows) - 1}.png")
    (root / "unseen.txt").write_text("\n".join(unseen))
    unseen_file = "unseen.txt" if unseen else None
    data = load_data(name="folder", root=root, test="test.txt", unseen=unseen_file, image_size=8)
    return {finding.item: (finding.verdict, finding.message) for finding in audit(data)}


def test_names_that_look_like_lists_are_listed(tmp_path):
    rows = ("dog|cat", "\"['a', 'b']\"", '"dog,cat"', "'dog'", '"a ""big"" one"', "dog's bowl", "Bird (Aves)", "a;b")
    found = _findings(tmp_path, *rows)
    verdict, message = found["brackets, quotes, separators"]
    assert verdict == "warning"
    assert message.startswith("6 of 8: \"'dog'\", \"['a', 'b']\", 'a \"big\" one', 'a;b', 'dog,cat' and 1 more; if one")
    found = _findings(tmp_path, "dog's bowl", "Bird (Aves)")
    assert found["brackets, quotes, separators"][0] == "ok"


@pytest.mark.parametrize("unseen", [(), ("dog",)])
def test_names_that_differ_by_case_alone_are_reported_seen_ones_too(tmp_path, unseen):
    found = _findings(tmp_path, "Dog,Été", "cat,été", "dog", unseen=unseen)
    assert found["names that differ by case"] == ("warning", "2: 'Dog' / 'dog', 'Été' / 'été'")
    assert ("near-duplicate names" in found) == bool(unseen)
    found = _findings(tmp_path, "मील", "माला", "C#,C++")
    assert found["names that differ by case"] == ("ok", "no two names differ by case alone")
