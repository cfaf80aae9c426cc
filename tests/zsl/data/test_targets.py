"""Sparse annotations against arrays, and partial ones through training and evaluation."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from embeddings.banks.build import build_bank
from zsl.context import Context
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet, protocols
from zsl.losses.table import LOSSES
from zsl.metrics.average_precision import average_precision
from zsl.metrics.chance import chance_average_precision
from zsl.model import ZeroShotModel
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.training.config import TrainConfig
from zsl.training.loop import Training


def test_annotations_are_those_of_the_table():
    table = np.random.default_rng(0).integers(-1, 2, (13, 7))
    rows, columns = np.nonzero(table)
    order = np.random.default_rng(1).permutation(len(rows))
    rows, columns = rows[order], columns[order]
    targets = Targets.of_entries(rows, columns, table.shape, table[rows, columns], partial=True)
    assert targets.shape == (13, 7)
    assert len(targets) == 13
    np.testing.assert_array_equal(targets, table)
    np.testing.assert_array_equal(targets[[5, 2]].columns([3, 0]), table[[5, 2]][:, [3, 0]])
    np.testing.assert_array_equal(targets.beside(targets[:]), np.concatenate([table, table], axis=1))
    np.testing.assert_array_equal(targets.label_counts(), (table > 0).sum(0))
    np.testing.assert_array_equal(targets.image_counts(), (table > 0).sum(1))
    assert targets[:3].partial
    assert not Targets.of(table > 0).partial


def test_of_several_annotations_the_highest_counts():
    targets = Targets.of_entries(np.array([0, 0, 1, 1]), np.array([2, 2, 0, 0]), (2, 3), np.array([1, -1, -1, -1]))
    np.testing.assert_array_equal(targets, [[0, 0, 1], [-1, 0, 0]])
    np.testing.assert_array_equal(Targets.of_entries(np.array([1, 1]), np.array([2, 2]), (2, 3)), [[0] * 3, [0, 0, 1]])


def test_annotations_outside_the_table_are_an_error():
    # 1 * 3 + 3 would be row 2, column 0
    for rows, columns, told in (
        ([1], [3], "a column is not among the 3"),
        ([2], [0], "a row"),
        ([0], [-1], "a column"),
    ):
        for values in (None, np.array([1])):
            with pytest.raises(ValueError, match=told):
                Targets.of_entries(np.array(rows), np.array(columns), (2, 3), values)


def _arrays():
    """Image 0 has labels 3 and 1 (not in order), image 1 none, image 2 not label 0."""
    return {"values": np.array([1, 1, -1], np.int8), "indices": np.array([3, 1, 0]), "indptr": np.array([0, 2, 2, 3])}


def test_stored_arrays_are_read_back():
    targets = Targets.of_arrays(**_arrays(), shape=(3, 5), partial=True)
    np.testing.assert_array_equal(targets, [[0, 1, 0, 1, 0], [0] * 5, [-1, 0, 0, 0, 0]])
    assert targets.matrix.dtype == np.int8
    empty = np.array([], int)
    assert Targets.of_arrays(empty, empty, np.zeros(3, int), (2, 5), False).shape == (2, 5)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"indices": np.array([3, 5, 0])}, "one of its indices is not among the 5 labels"),
        ({"indices": np.array([3, -1, 0])}, "one of its indices is not among the 5 labels"),
        ({"indices": np.array([3, 2**40, 0])}, "one of its indices is not among the 5 labels"),
        ({"indices": np.array([3, 3, 0])}, "two values for one image and label"),
        ({"indices": np.array([3.0, 1.0, 0.0])}, "its indices are float64 of shape"),
        ({"indices": np.array([[3, 1, 0]])}, "its indices are int64 of shape"),
        ({"indices": np.array([3, 1])}, "3 values, but 2 indices"),
        ({"indptr": np.array([0, 2, 1, 3])}, "does not divide 3 entries among 3 images"),
        ({"indptr": np.array([0, 2, 9, 3])}, "does not divide"),
        ({"indptr": np.array([0, -2, 2, 3])}, "does not divide"),
        ({"indptr": np.array([0, 3])}, "does not divide"),
        ({"indptr": np.array([], int)}, "does not divide"),
        ({"indptr": np.array([], int), "shape": (-1, 5)}, "does not divide"),
        ({"indptr": np.array([0, 2, 2, 2])}, "leaves out some of 3 entries"),
        ({"indptr": np.array([1, 2, 2, 3])}, "leaves out some of 3 entries"),
        ({"values": np.array([1, 1, 2])}, "not all -1, 0 or 1"),
        ({"values": np.array([1, np.nan, 1])}, "its values are float64"),
        ({"partial": False}, "not all 0 or 1"),
    ],
)
def test_stored_arrays_that_are_damaged_reach_no_native_code(changed, told):
    with pytest.raises(ValueError, match=told):
        Targets.of_arrays(**{**_arrays(), "shape": (3, 5), "partial": True, **changed})


def test_average_precision_over_annotated_images_is_that_of_those_alone():
    generator = np.random.default_rng(0)
    scores, values = generator.normal(size=(53, 7)).round(1), generator.integers(-1, 2, (53, 7))
    values[:, 2] = np.minimum(values[:, 2], 0)
    found = average_precision(scores, values > 0, values != 0)
    chance = chance_average_precision(values > 0, values != 0)
    for label in range(7):
        kept = values[:, label] != 0
        if label == 2:
            assert np.isnan(found[label])
            assert np.isnan(chance[label])
            continue
        truth = values[kept, label] > 0
        assert found[label] == pytest.approx(average_precision_score(truth, scores[kept, label]), abs=1e-12)
        assert chance[label] == pytest.approx(chance_average_precision(truth[:, None])[0], abs=1e-12)
    with pytest.raises(ValueError, match="annotated must be 0 or 1"):
        average_precision(scores, values > 0, values)


@pytest.mark.parametrize("name", ["asymmetric", "bce", "focal"])
def test_weights_scale_the_terms_of_a_loss(name):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, generator=generator)
    targets = (torch.rand(3, 5, generator=generator) < 0.4).float()
    weights = torch.rand(3, 5, generator=generator)
    terms = [
        weights[i, j] * LOSSES[name].compute(logits[i : i + 1, j : j + 1], targets[i : i + 1, j : j + 1])
        for i in range(3)
        for j in range(5)
    ]
    torch.testing.assert_close(LOSSES[name].compute(logits, targets, weights=weights), torch.stack(terms).sum())


def _partial(unseen: tuple[str, ...]) -> MultiLabelData:
    """Each label is the sign of a channel; a fifth of the annotations are left out."""
    generator = np.random.default_rng(0)
    tokens = np.repeat(generator.normal(size=(120, 1, 4)), 2, axis=1).astype(np.float32)
    values = np.where(tokens[:, 0, :3] > 0, 1, -1)
    values[generator.random(values.shape) < 0.2] = 0
    kept = values[(values > 0).any(1)]
    inputs = Tensors(torch.from_numpy(tokens[(values > 0).any(1)]))
    rows, columns = np.nonzero(kept)
    targets = Targets.of_entries(rows, columns, kept.shape, kept[rows, columns], partial=True)
    seen = ("red", "green", "blue")[: 3 - len(unseen)]
    train = Part(inputs, targets.columns(np.arange(len(seen))))
    return MultiLabelData("toy", seen, unseen, train, Part(inputs, targets), "tokens", "toy")


def test_a_closed_set_with_partial_annotations_is_learnt():
    data = _partial(())
    bank = build_bank(data.names, "random:8")
    vectors = torch.from_numpy(bank.select(data.seen))
    torch.manual_seed(0)
    config = MlDecoderConfig(width=8, group_size=1, attention_heads=1, ffn=8, dropout=0.0)
    model = ZeroShotModel(None, config.make(4, 8, 3))
    config = TrainConfig(epochs=40, lr=2e-2, ema=0, batch_size=16, loss="bce", untagged_weight=0.0, precision="fp32")
    part = Samples(data.train)
    history = Training(config, model, SeenSamples(part, part, vectors), Context.of("fp32")).run()
    assert max(history.validation_map) > 0.95
    (name,) = protocols(data)
    assert name == "closed"
    scores = model(data.test.inputs.read(range(len(data.test.inputs))), vectors).detach().numpy()
    metrics = measure({"closed": scores}, TestSet.of(data), (1,)).metrics
    assert metrics["closed/map"] > 0.95
    assert {"closed/map", "closed/map_chance", "closed/f1@1"} <= metrics.keys()
    assert all(name.startswith("closed/") for name in metrics)


def test_entries_that_nobody_annotated_have_no_effect_at_weight_0():
    logits = torch.randn(4, 3, requires_grad=True)
    values = torch.tensor([[1, -1, 0], [0, 1, -1], [0, 0, 1], [-1, 1, 0]])
    weights = torch.where(values == 0, 0.0, 1.0)
    LOSSES["asymmetric"].compute(logits, (values > 0).float(), margin=0.0, weights=weights).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad == 0, values == 0)
