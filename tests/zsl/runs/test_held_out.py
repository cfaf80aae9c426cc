"""Seen labels that stand for unseen ones: the images and labels of such a run, and that the test part is not read."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.poison import poison
from tests.zsl.toy import SEEN, toy_data
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.folds import split_rows
from zsl.data.layouts.features import Chosen
from zsl.data.pictures import ImageFiles
from zsl.data.squares import Square
from zsl.data.targets import Targets
from zsl.runs.config import RunConfig
from zsl.runs.held_out import HeldOutConfig, hold_out, without_test
from zsl.runs.source import Source


def test_each_label_is_held_out_once():
    parts = [HeldOutConfig(folds=3, fold=fold).labels(11) for fold in range(3)]
    assert [len(part) for part in parts] == [4, 4, 3]
    assert sorted(np.concatenate(parts)) == list(range(11))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert len(HeldOutConfig(folds=3).labels(11)) == 0
    assert any((HeldOutConfig(folds=3, fold=0, seed=1).labels(11) != parts[0]).tolist())
    with pytest.raises(InputError, match="2 seen labels cannot be divided into 3 folds"):
        HeldOutConfig(folds=3, fold=0).labels(2)
    with pytest.raises(InputError, match="fold = 3 with held_out.folds = 3; folds count from 0"):
        HeldOutConfig(folds=3, fold=3)


def test_images_are_divided_without_an_overlap():
    train, held = split_rows(150, 0.2)
    assert len(held) == 30
    assert sorted([*train, *held]) == list(range(150))
    assert len(split_rows(150, 0.001)[1]) == 1
    with pytest.raises(InputError, match="1 training images leave none to train on"):
        split_rows(1, 0.5)


def test_validation_images_replace_the_test_part_which_is_not_read():
    data = toy_data()
    poisoned = replace(data, test=poison(), renamed={"synonyms": ("a", "b", "c")})
    found = without_test(poisoned, 0.2)
    train, held = split_rows(150, 0.2)
    assert (found.seen, found.unseen, found.renamed) == (SEEN, (), {})
    np.testing.assert_array_equal(found.train.targets.dense(), data.train.targets.dense()[train])
    np.testing.assert_array_equal(found.test.targets.dense(), data.train.targets.dense()[held])
    torch.testing.assert_close(found.test.inputs.read([0, 4]), data.train.inputs.read(held[[0, 4]]), rtol=0, atol=0)
    assert found.fingerprint != without_test(poisoned, 0.4).fingerprint


def test_held_out_labels_are_unseen_and_images_without_another_label_are_not_trained_on():
    data, columns = without_test(toy_data(), 0.2), np.array([1, 4, 5])
    found, kept = hold_out(data, columns), [0, 2, 3, 6, 7]
    assert found.seen == tuple(SEEN[column] for column in kept)
    assert found.unseen == ("seen1", "seen4", "seen5")
    before = data.train.targets.dense()
    rows = [row for row in range(len(before)) if before[row, kept].any()]
    assert 0 < len(rows) < len(before)
    np.testing.assert_array_equal(found.train.targets.dense(), before[rows][:, kept])
    np.testing.assert_array_equal(found.test.targets.dense(), data.test.targets.dense()[:, [*kept, *columns]])
    torch.testing.assert_close(found.train.inputs.read([3]), data.train.inputs.read([rows[3]]), rtol=0, atol=0)
    assert len({found.fingerprint, data.fingerprint, hold_out(data, columns[:2]).fingerprint}) == 3


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ([[1, 0]], [[1, 1]], "has no training image; hold out fewer"),
        ([[1, 1]], [[1, 0]], "shows one of the seen labels that are kept; train with a larger train.validation"),
        ([[1, 1]], [[0, 1]], "shows one of the seen labels that are held out; train with"),
    ],
)
def test_too_few_images_are_one_line(train, test, told):
    data = toy_data()
    parts = [Part(data.train.inputs, Targets.of(np.array(table))) for table in (train, test)]
    small = replace(data, seen=("a", "b"), unseen=(), train=parts[0], test=parts[1])
    with pytest.raises(InputError, match=told):
        hold_out(small, np.array([0]))


def test_pictures_stay_files(tmp_path):
    """Their names, and how they are read, are recorded with a run."""
    data = toy_data()
    files = ImageFiles(tmp_path, [f"{n}.jpg" for n in range(150)], Square(32))
    held = without_test(replace(data, train=Part(files, data.train.targets)), 0.2).test.inputs
    assert list(held.files) == [f"{n}.jpg" for n in split_rows(150, 0.2)[1]]
    assert held.square == Square(32)


def test_a_source_holds_out_labels_of_a_source_with_all():
    data = toy_data()
    whole = Source(RunConfig(backbone=None), replace(data, test=poison()), Context.of("fp32"))
    one = whole.config.model_copy(update={"held_out": HeldOutConfig(folds=4)})
    two = whole.config.model_copy(update={"held_out": HeldOutConfig(folds=4, fold=2)})
    direct, by_steps = whole.of(two), whole.of(one).of(two)
    assert whole.of(one).data.unseen == ()
    assert direct.data.unseen == by_steps.data.unseen != ()
    assert direct.data.fingerprint == by_steps.data.fingerprint
    assert by_steps.of(two).data is by_steps.data
    for source in (direct, by_steps):
        train, validation = source.split(source.train)
        assert not {*_rows(train)} & {*_rows(validation)}
        assert not {*_rows(train), *_rows(validation)} & {*_chosen(source.data.test)}


def _rows(samples):
    """The rows of all training images that samples read."""
    return _chosen(samples.part)[samples.rows]


def _chosen(part):
    inputs, rows = part.inputs, np.arange(len(part.inputs))
    while isinstance(inputs, Chosen):
        inputs, rows = inputs.inputs, inputs.rows[rows]
    return rows


class Views(Tensors):
    """Row r is 10 r in the first view, 10 r + 2 in the third."""

    views = 3

    def read(self, rows, views=0):
        return torch.from_numpy(10 * rows + views)


def test_views_of_tokens_are_chosen_with_their_rows():
    chosen = Chosen(Views(torch.zeros(5)), np.array([4, 1]))
    assert chosen.views == 3
    assert chosen.read([1, 0], np.array([2, 0])).tolist() == [12, 40]
    assert chosen.read([1]).tolist() == [10]
