"""What every layout of image files has in common: samples, holes, duplicates, leaks."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.album import SEEN, TEST, TRAIN
from zsl.data.table import load_data


@pytest.mark.parametrize("layout", ["folder", "ram", "nus_wide", "nus_wide in halves"])
def test_the_same_images_and_labels_in_two_layouts_are_the_same_samples(album, layout):
    first = load_data(**album.as_csv(), image_size=32)
    written = {
        "folder": album.as_folder,
        "ram": album.as_ram,
        "nus_wide": lambda: album.as_nus_wide(halves=False),
        "nus_wide in halves": lambda: album.as_nus_wide(halves=True),
    }[layout]
    second = load_data(**written(), image_size=32)
    assert first.seen == SEEN
    assert sorted(second.unseen) == sorted(first.unseen)
    assert second.seen == first.seen
    order = [second.unseen.index(name) + len(SEEN) for name in first.unseen]
    columns = [*range(len(SEEN)), *order]
    np.testing.assert_array_equal(first.train.targets, second.train.targets)
    np.testing.assert_array_equal(first.test.targets, second.test.targets.columns(columns))
    np.testing.assert_array_equal(first.test.targets, album.table[TRAIN:])
    assert len(first.train.targets) == TRAIN - 1
    for part in ("train", "test"):
        one, two = getattr(first, part).inputs, getattr(second, part).inputs
        assert torch.equal(one.read(range(len(one))), two.read(range(len(two))))
    if layout != "ram":  # which sorts its unseen labels
        assert second.fingerprint == first.fingerprint


def test_missing_images_are_skipped_and_counted_on_demand(album):
    config = album.as_folder()
    (album.root / "pictures/2.jpg").unlink()
    (album.root / "pictures" / album.names[-1]).write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 17 images .* are missing or empty.*data.missing=skip"):
        load_data(**config)
    data = load_data(**config, missing="skip")
    assert (len(data.train.targets), len(data.test.targets)) == (TRAIN - 2, TEST - 1)
    assert data.notes[0] == "1 of 11 training images show no seen label and are left out"
    assert data.notes[1].startswith("2 of 17 images of album are missing or empty")
    assert [path.rpartition("/")[2] for path in data.missing] == ["2.jpg", album.names[-1]]
    # or by a list
    (album.root / "bad.txt").write_text("".join(f"{path}\n" for path in [*data.missing, "/elsewhere/x.jpg"]))
    listed = load_data(**config, exclude=album.root / "bad.txt")
    assert listed.notes[1:] == (
        "2 images that bad.txt lists are left out; 1 of its paths are no images of the dataset",
    )
    assert listed.fingerprint == data.fingerprint


def test_an_image_is_listed_once_and_in_one_part(album):
    table = album.root / "data.csv"
    config = album.as_csv()
    whole = table.read_text()
    lines = whole.splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="lists image pictures/0.jpg twice in training"):
        load_data(**config)
    table.write_text("\n".join([*lines, lines[1].replace("pictures/", "./pictures/").replace("train", "val")]))
    with pytest.raises(InputError, match="1 images of album are in training and in test, such as pictures/0.jpg"):
        load_data(**config)


def test_training_images_that_show_unseen_labels_are_counted(album):
    config = album.as_nus_wide(halves=False)
    path = album.root / "NUS_WID_Tags/AllTags1k.dat"
    lines = path.read_text().splitlines()
    for row in (1, 2):  # the last tag is an unseen label too
        lines[row] = lines[row].rstrip("\t")[:-1] + "1\t"
    path.write_text("\n".join(lines) + "\n")
    assert load_data(**config).leaked == 2
