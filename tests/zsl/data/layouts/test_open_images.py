"""Open Images' image-level labels, versions 4 and 6, written small."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from zsl.data.table import load_data


def test_annotations_are_yes_no_or_nothing(open_images):
    data = load_data(open_images)
    assert data.seen == ('Dog, "old"', "Cat", "Football (/m/03)", "Football (/m/04)")
    assert data.unseen == ("Fire", "Elk")  # by how often the test shows them
    np.testing.assert_array_equal(data.train.targets, [[-1, 1, 0, 0], [0, 0, 1, 0]])  # c3 shows no label
    np.testing.assert_array_equal(data.test.targets, [[0, 0, 0, 0, 1, 1], [0, -1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0]])
    assert data.train.targets.partial
    assert data.leaked == 1
    assert data.train.inputs.read([0, 1]).shape == (2, 3, 224, 224)
    labelled = load_data(open_images.model_copy(update={"test": "labelled"}))
    assert len(labelled.test.targets) == 2


def test_machine_labels_count_where_no_person_annotated(open_images):
    data = load_data(open_images.model_copy(update={"machine": 0.7}))
    np.testing.assert_array_equal(data.train.targets, [[-1, 1, 0, 1], [0, 0, 1, 0]])
    # what is measured against is what people said
    np.testing.assert_array_equal(data.test.targets, load_data(open_images).test.targets)
    data = load_data(open_images.model_copy(update={"machine": 0.5}))
    np.testing.assert_array_equal(data.train.targets, [[-1, 1, 0, 1], [0, 1, 1, 0]])


def test_unseen_labels_come_from_a_list_or_there_are_none(open_images, tmp_path):
    path = tmp_path / "unseen.txt"
    path.write_text("Elk\n/m/06\n")
    assert load_data(open_images.model_copy(update={"unseen": path})).unseen == ("Elk", "Fire")
    assert load_data(open_images.model_copy(update={"unseen": 0})).unseen == ()
    expected = {"v4": ("Fire", "Elk"), "v6": ()}[open_images.version]
    assert load_data(open_images.model_copy(update={"unseen": None})).unseen == expected
    mistakes = {"Cat": "'Cat' is a trainable class", "Moon": "'Moon' is not a class", "Elk\n/m/05": "is listed above"}
    for line, message in mistakes.items():
        path.write_text(f"{line}\n")
        with pytest.raises(InputError, match=message):
            load_data(open_images.model_copy(update={"unseen": path}))


def test_damaged_files_are_named(open_images):
    (path,) = open_images.root.rglob("test-annotations-human-imagelabels.csv")
    whole = path.read_text()
    path.write_text(whole + "d4,verification,/m/01\n")
    with pytest.raises(InputError, match=r"test-annotations-human-imagelabels.csv:7: 'd4,verification,/m/01' is not"):
        load_data(open_images)
    path.write_text(whole.replace("LabelName", "Label", 1))
    with pytest.raises(InputError, match=r"imagelabels.csv:1: the header is"):
        load_data(open_images)
    path.unlink()
    with pytest.raises(InputError, match="lacks test-annotations-human-imagelabels.csv"):
        load_data(open_images)
