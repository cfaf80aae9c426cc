"""A test set that is a file of image names."""

from pathlib import Path

import numpy as np
import pytest

from embeddings.io.errors import InputError
from zsl.data.layouts.test_lists import Division

FILES = ["a/1_7.jpg", "a/2.x.jpg", "b/1_7.jpg", "b/3.png", "c\\4.jpg", "c/same.jpg", "c/same.png"]


def _tested(path: Path, text: str) -> Division:
    path.write_text(text)
    return Division(np.arange(4), np.arange(4, 7), ("before",)).tested_on(path, FILES)


def test_names_are_found_with_and_without_folder_and_extension(tmp_path):
    found = _tested(tmp_path / "t.txt", "c/same.png\n\n a\\1_7 \r\nb/3.png\n2.x\n4.jpg\n")
    assert found.test.tolist() == [6, 0, 3, 1, 4]  # in the order of the file
    assert found.train.tolist() == [2]
    assert found.notes == (
        "before",
        "5 test images are those of t.txt; 3 of them are official training images, and are left out of training; "
        "1 of 3 official test images are not among them, and are not used",
    )
    assert _tested(tmp_path / "t.txt", "4\nc/same.png\nc/same.jpg").notes[1] == "3 test images are those of t.txt"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "b/3\nc/3\nd/3\n5.jpg\n",
            r":2: c/3 is not in the dataset's lists of images, and neither are 2 further names;",
        ),
        ("c/1_7\n", r":1: c/1_7 is not in the dataset's lists of images; names are as there, such as a/1_7: correct"),
        ("4\n1_7\n", ":2: several images have the name 1_7; write it with its folder"),
        ("c/same\n", ":1: several images have the name c/same;"),
        ("4\nb/3\n3.png\n", ":3: 3.png is listed on line 2 too; remove one"),
        ("\n", " holds no image names"),
    ],
)
def test_a_name_of_no_image_or_of_several_is_named(tmp_path, text, told):
    with pytest.raises(InputError, match=f"t.txt{told}"):
        _tested(tmp_path / "t.txt", text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match='no file .*/labeled; data.test is "all", "labelled", or a file'):
        Division(np.arange(4), np.arange(4, 7)).tested_on(tmp_path / "labeled", FILES)
