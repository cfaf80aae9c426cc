"""The labels of a step: each option against what it says."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from tests.zsl.toy import seen_samples, toy_data
from zsl.context import Context
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.training.config import CHANGED, TrainConfig
from zsl.training.loop import Training
from zsl.training.step_labels import step_labels

BATCH, LABELS, EMBED = 5, 11, 7


def _inputs():
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(-1, 2, (BATCH, LABELS), generator=generator, dtype=torch.int8)
    return torch.randn(LABELS, EMBED, generator=generator), targets


def _asked(**options):
    vectors, targets = _inputs()
    torch.manual_seed(1)
    return step_labels(TrainConfig(**options), vectors, targets, partial=True)


def test_without_options_the_seen_labels_are_asked():
    vectors, targets = _inputs()
    asked, found = _asked()
    assert torch.equal(asked, vectors)
    assert torch.equal(found, targets)


def test_a_mixture_is_between_two_labels_and_has_the_images_of_both():
    vectors, targets = _inputs()
    asked, found = _asked(mixed_labels=100)
    assert torch.equal(asked[:LABELS], vectors)
    pairs = set()
    for mixture, target in zip(asked[LABELS:], found[:, LABELS:].T, strict=True):
        best = (np.inf, 0, 0, 0.0, torch.zeros(EMBED))
        for i in range(LABELS):
            for j in range(i):  # solve for the weights of the two
                shares, *_ = np.linalg.lstsq(vectors[[i, j]].T.numpy(), mixture.numpy(), rcond=None)
                rest = float(np.abs(vectors[[i, j]].T.numpy() @ shares - mixture.numpy()).max())
                best = min(best, (rest, i, j, shares[0] / shares.sum(), shares), key=lambda found: found[0])
        rest, i, j, weight, _ = best
        assert rest < 1e-5
        assert 0.25 <= weight <= 0.75
        length = weight * vectors[i].norm() + (1 - weight) * vectors[j].norm()
        assert mixture.norm().item() == pytest.approx(length.item(), rel=1e-4)
        assert target.tolist() == [max(pair) for pair in targets[:, [i, j]].tolist()]
        pairs.add((i, j))
    assert len(pairs) > 40  # of 55


def test_a_share_of_the_labels_is_left_out():
    vectors, targets = _inputs()
    asked, found = _asked(label_dropout=0.3)
    places = [int((vectors == row).all(1).nonzero()) for row in asked]
    assert len(places) == 8  # 7.7 labels
    assert places == sorted(places)
    assert torch.equal(found, targets[:, places])
    assert len(_asked(label_dropout=0.99)[0]) == 1


def test_noise_has_its_size_and_random_vectors_have_none():
    vectors, targets = _inputs()
    size = vectors.square().mean().sqrt().item()
    asked, found = _asked(vector_noise=0.5, mixed_labels=2000)
    plain, _ = _asked(mixed_labels=2000)
    assert (asked - plain).std().item() == pytest.approx(0.5 * size, rel=0.03)
    asked, found = _asked(vector_noise=0.5, random_queries=500)
    assert asked[LABELS:].std().item() == pytest.approx(size, rel=0.05)
    assert torch.equal(found[:, :LABELS], targets)
    assert (found[:, LABELS:] == -1).all()


@pytest.mark.parametrize(
    "options", [{"mixed_labels": 3}, {"label_dropout": 0.3}, {"vector_noise": 0.3}, {"random_queries": 3}]
)
def test_each_option_is_in_training_and_needs_word_vectors(options):
    data = toy_data()
    weights = []
    for given in ({}, options, options):
        torch.manual_seed(0)
        model = ZeroShotModel(None, MaxPooledReadout(16, 16))
        config = TrainConfig(epochs=1, batch_size=60, ema=0, precision="fp32", loss="bce", **given)
        Training(config, model, seen_samples(data), Context.of("fp32")).run()
        weights.append(model.readout.projection.weight)
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    samples = seen_samples(data)
    without = SeenSamples(samples.train, samples.validation, None)
    with pytest.raises(InputError, match=f"train.{next(iter(options))} changes word vectors: give decoder.query or"):
        Training(config, model, without, Context.of("fp32"))
    assert set(options) <= set(CHANGED)
