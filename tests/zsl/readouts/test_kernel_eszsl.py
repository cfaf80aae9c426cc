"""Kernel ESZSL against scikit-learn's kernel ridge regression and ESZSL's own solution."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.kernel_eszsl import KernelEszslConfig, KernelEszslReadout
from zsl.training.solving import solve

IMAGES, TOKENS, CHANNELS, EMBED, LABELS, UNSEEN = 37, 3, 13, 7, 11, 5


def _world(images=IMAGES, seed=0):
    generator = np.random.default_rng(seed)
    tokens = torch.from_numpy(generator.normal(size=(images, TOKENS, CHANNELS))).float()
    return tokens, (generator.random((images, LABELS)) < 0.3).astype(np.int8)


def _vectors(seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(LABELS + UNSEEN, EMBED))).float()


def _solved(config, tokens, targets, vectors):
    readout = KernelEszslReadout(CHANNELS, EMBED, LABELS, config)
    held = _world(23, 5)
    samples = (Samples(Part(Tensors(t), Targets.of(y))) for t, y in ((tokens, targets), held))
    history = solve(
        ZeroShotModel(None, readout), SeenSamples(*samples, vectors[:LABELS]), Context.of("fp32", batch_size=8)
    )
    return readout.eval(), history


def _by_image(scores, reference):
    return (scores - reference.mean(1, keepdims=True)) / reference.std(1, keepdims=True)


@pytest.mark.parametrize("landmarks", [IMAGES, 3 * IMAGES])  # of fewer images, all are taken
def test_with_all_images_as_landmarks_it_is_kernel_ridge_regression(landmarks):
    (tokens, targets), vectors = _world(), _vectors()
    config = KernelEszslConfig(
        landmarks=landmarks, sharpness=1.5, own=0.4, image_ridge=0.7, label_ridge=0.2, own_ridge=0.3
    )
    readout, _ = _solved(config, tokens, targets, vectors)
    pooled = torch.nn.functional.normalize(tokens.mean(1), dim=1).double().numpy()
    test = _world(19, 7)[0]
    new = torch.nn.functional.normalize(test.mean(1), dim=1).double().numpy()
    squared = ((pooled[:, None] - pooled) ** 2).sum(2)
    gamma = 1.5 / squared.mean()
    # ridges are in units of the mean eigenvalue over the landmarks; X'X has the eigenvalues of the centred kernel
    kernel = np.exp(-gamma * squared)
    center = np.eye(IMAGES) - 1 / IMAGES
    unit = np.trace(center @ kernel @ center) / IMAGES
    between = np.exp(-gamma * ((new[:, None] - pooled) ** 2).sum(2))
    centred, between = center @ kernel @ center, (between - kernel.mean(0)) @ center

    def fitted(ridge, wanted):
        model = KernelRidge(alpha=ridge * unit, kernel="precomputed").fit(centred, wanted)
        return model.predict(between)

    seen = vectors[:LABELS].double().numpy()
    inner = seen.T @ seen
    mapped = seen @ np.linalg.inv(inner + 0.2 * np.trace(inner) / EMBED * np.eye(EMBED))
    centred_targets = targets - targets.mean(0)
    text = fitted(0.7, centred_targets @ mapped) @ vectors.double().numpy().T
    text = _by_image(text, text[:, :LABELS])
    own = fitted(0.3, centred_targets)
    expected = text.copy()
    expected[:, :LABELS] = 0.6 * text[:, :LABELS] + 0.4 * _by_image(own, own)
    found = readout(test, vectors).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    # a label's score does not depend on the others, nor on their order
    order = torch.randperm(LABELS + UNSEEN, generator=torch.Generator().manual_seed(0))[:6]
    np.testing.assert_allclose(readout(test, vectors[order]).numpy(), found[:, order], atol=1e-5)
    other = KernelEszslReadout(CHANNELS, EMBED, LABELS, config)
    other.load_state_dict(readout.state_dict())
    assert torch.equal(other(test, vectors), readout(test, vectors))


def test_ridges_that_are_not_given_are_chosen_and_told():
    (tokens, targets), vectors = _world(), _vectors()
    readout, history = _solved(KernelEszslConfig(landmarks=16), tokens, targets, vectors)
    assert history.chosen.keys() == {"decoder.image_ridge", "decoder.label_ridge", "decoder.own_ridge"}
    again, _ = _solved(
        KernelEszslConfig(landmarks=16, **{k.split(".")[1]: v for k, v in history.chosen.items()}),
        tokens, targets, vectors,
    )  # fmt: skip
    assert torch.equal(readout(tokens, vectors), again(tokens, vectors))
    held, truth = _world(23, 5)
    scores = readout(held, vectors[:LABELS]).numpy()
    from sklearn.metrics import average_precision_score

    ap = [average_precision_score(truth[:, i], scores[:, i]) for i in range(LABELS) if truth[:, i].any()]
    assert history.validation_map[0] == pytest.approx(np.mean(ap), abs=1e-6)


def test_it_needs_different_images_and_is_no_number_before_it_is_solved():
    (tokens, targets), vectors = _world(), _vectors()
    readout = KernelEszslReadout(CHANNELS, EMBED, LABELS, KernelEszslConfig(landmarks=4))
    assert readout(tokens, vectors).isnan().all()
    with pytest.raises(InputError, match="the pooled tokens are all the same"):
        _solved(KernelEszslConfig(landmarks=4), torch.ones_like(tokens), targets, vectors)
