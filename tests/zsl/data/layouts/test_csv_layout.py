"""The CSV layout, and what is wrong with a user's files."""

import json

import numpy as np
import pytest
from PIL import Image

from embeddings.io.errors import InputError
from tests.names import SEEN, UNSEEN
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.table import load_data


def test_csv_layout_is_read_as_written(photographs):
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=24))
    assert (data.seen, data.unseen) == (SEEN, UNSEEN)
    line = (photographs / "data.csv").read_text().splitlines()[1 + 40]  # the first test row
    names = line.split("[")[1].split("]")[0].split(", ")
    assert [(SEEN + UNSEEN)[i] for i in np.flatnonzero(data.test.targets.dense()[0])] == sorted(
        names, key=(SEEN + UNSEEN).index
    )
    with Image.open(photographs / "images" / "40.jpg") as image:
        expected = np.asarray(image.convert("RGB").resize((24, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.test.inputs.read([0])[0].permute(1, 2, 0).numpy(), expected)


def test_training_ignores_unseen_labels_and_rows_without_a_seen_one(photographs):
    rows = (photographs / "data.csv").read_text().splitlines()
    rows[1] = f'images/0.jpg,"[{UNSEEN[0]}]",train'
    rows[2] = f"images/1.jpg,\"['{SEEN[1]}', '{UNSEEN[0]}']\",train"
    (photographs / "data.csv").write_text("\n".join(rows))
    data = load_data(CsvConfig(name="csv", root=photographs))
    assert len(data.train.targets) == 39
    np.testing.assert_array_equal(data.train.targets.dense()[0], [0, 1, 0, 0, 0])


def test_a_split_without_seen_names_takes_the_others(photographs):
    (photographs / "split.json").write_text(json.dumps({"test class": list(UNSEEN)}))
    assert load_data(CsvConfig(name="csv", root=photographs)).seen == tuple(sorted(SEEN))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('images/0.jpg,"[red sqare]",train', r"data.csv:2: unknown label 'red sqare' \(nearest: 'red square'\)"),
        ('images/0.jpg,"[red square]",test', r"data.csv:2: split_name 'test' is neither 'train' nor 'val'"),
        (
            'images/none.jpg,"[red square]",train',
            r"1 of 60 images .* are missing .*none.jpg; restore",
        ),
        ("images/0.jpg", r"data.csv:2: fewer than 3 fields"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(photographs, line, message):
    rows = (photographs / "data.csv").read_text().splitlines()
    rows[1] = line
    (photographs / "data.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match=message):
        load_data(CsvConfig(name="csv", root=photographs))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", "path,labels\n", "data.csv:1: no column 'filepath'"),
        ("data.csv", "filepath,classes,split_name\n", "no usable row"),
        ("split.json", "{", "split.json is not JSON of the split"),
        ("split.json", '{"train class": ["a"]}', "not a split file"),
        ("split.json", '{"train class": ["a", "b"], "test class": ["b"]}', "names 'b' twice"),
        (
            "split.json",
            '{"train class": ["a", ""], "test class": ["b"]}',
            'split.json: "train class": a label name is empty',
        ),
        ("split.json", '{"train class": [], "test class": ["b"]}', "leaves no seen label"),
    ],
)
def test_wrong_files_are_named(photographs, name, content, message):
    (photographs / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_data(CsvConfig(name="csv", root=photographs))
    (photographs / name).unlink()
    with pytest.raises(InputError, match="no file of (labels|the split) "):
        load_data(CsvConfig(name="csv", root=photographs))
