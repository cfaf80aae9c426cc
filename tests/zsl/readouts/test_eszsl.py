"""ESZSL against numpy's solver on the whole system, its objective's gradient, and loops over the grid."""

from itertools import product

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.closed_form import Problem, Statistics
from zsl.readouts.eszsl import FOLDS, EszslReadout, Spectrum, choose_ridges, image_map, label_map
from zsl.training.solving import solve

IMAGES, TOKENS, CHANNELS, EMBED, LABELS = 61, 3, 13, 7, 11
GAMMA, LAMBDA = 0.3, 2.0


def _problem(seed=0):
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(IMAGES, CHANNELS)), (generator.random((IMAGES, LABELS)) < 0.3).astype(np.int8)
    return x, y, generator.normal(size=(LABELS, EMBED))


def _mean_eigenvalue(matrix):
    return np.linalg.eigvalsh(matrix).mean()


def test_the_map_solves_the_system_and_is_the_objectives_minimum():
    x, y, s = _problem()
    y = y.astype(np.float64)
    gram, cross = x.T @ x, x.T @ y
    weight = image_map(Spectrum(gram, "x"), cross @ label_map(s, LAMBDA), GAMMA)
    gamma, lam = GAMMA * _mean_eigenvalue(gram), LAMBDA * _mean_eigenvalue(s.T @ s)
    # (X'X + g) W (S'S + l) = X'Y S as one system of channels x embed unknowns
    left = np.kron(gram + gamma * np.eye(CHANNELS), s.T @ s + lam * np.eye(EMBED))
    expected = np.linalg.solve(left, (cross @ s).ravel()).reshape(CHANNELS, EMBED)
    np.testing.assert_allclose(weight, expected, rtol=1e-8, atol=1e-12)

    w = torch.tensor(weight, requires_grad=True)
    tx, ty, ts = (torch.from_numpy(a) for a in (x, y, s))
    terms = ((tx @ w @ ts.T - ty, 1), (w @ ts.T, gamma), (tx @ w, lam), (w, gamma * lam))
    sum(factor * term.square().sum() for term, factor in terms).backward()
    assert w.grad.abs().max() < 1e-9


def test_ridges_are_those_of_the_best_cell_on_held_out_labels():
    x, y, s = _problem()
    held_x, held_y, _ = _problem(1)
    sums = Statistics.of([(x, y)], CHANNELS, LABELS)
    grids = ((0.01, 1.0, 10.0), (0.1, 3.0))
    held = held_x - x.mean(0)
    ridges, best = choose_ridges(Problem(sums, s, held, held_y, False, 3), Spectrum(sums.gram, "x"), grids)
    cells = {}
    folds = np.array_split(np.random.default_rng(3).permutation(LABELS), FOLDS)
    for gamma, lam in product(*grids):
        ap = []
        for fold in folds:
            kept = [label for label in range(LABELS) if label not in fold]
            inverse = np.linalg.inv(sums.gram + gamma * _mean_eigenvalue(sums.gram) * np.eye(CHANNELS))
            inner = s[kept].T @ s[kept]
            weight = inverse @ sums.cross[:, kept] @ s[kept]
            weight = weight @ np.linalg.inv(inner + lam * _mean_eigenvalue(inner) * np.eye(EMBED))
            ap += [held_y[:, i].sum() * average_precision_score(held_y[:, i], held @ weight @ s[i]) for i in fold]
        cells[gamma, lam] = sum(ap) / held_y.sum()
    assert ridges == max(cells, key=cells.get)
    assert best == pytest.approx(max(cells.values()), abs=1e-9)


def _samples(tokens, table, partial=False):
    return Samples(Part(Tensors(tokens), Targets.of_entries(*np.nonzero(table), table.shape, partial=partial)))


def _linear_world(images, seed, true, vectors):
    """Images whose labels are those with which a linear map of their unit mean token agrees."""
    generator = np.random.default_rng(seed)
    tokens = torch.from_numpy(generator.normal(size=(images, TOKENS, CHANNELS))).float()
    mean = tokens.mean(1).numpy()
    scores = mean / np.linalg.norm(mean, axis=1, keepdims=True) @ true @ vectors.T
    return tokens, (scores > np.quantile(scores, 0.7, axis=0)).astype(np.int8)


@pytest.mark.parametrize("given", [{}, {"image_ridge": 1e-3, "label_ridge": 1e-3}])
def test_solving_finds_unseen_labels_of_a_linear_world(given):
    generator = np.random.default_rng(0)
    true, vectors = generator.normal(size=(CHANNELS, EMBED)), generator.normal(size=(31, EMBED))
    seen, unseen = vectors[:23], vectors[23:]
    train, held, test = (_linear_world(n, seed, true, vectors) for n, seed in ((601, 1), (101, 2), (211, 3)))
    model = ZeroShotModel(None, EszslReadout(CHANNELS, EMBED, **given))
    told = []
    samples = (_samples(tokens, targets[:, :23]) for tokens, targets in (train, held))
    context = Context.of("fp32", batch_size=64, progress=lambda task, done, total, note="": told.append(note))
    history = solve(model, SeenSamples(*samples, torch.from_numpy(seen)), context)
    logits = model(test[0], torch.from_numpy(unseen).float())
    ap = [average_precision_score(test[1][:, 23 + i], logits[:, i]) for i in range(8)]
    assert np.mean(ap) > 0.97  # 0.3 by chance
    assert history.best_epoch == 0
    assert 0.9 < history.validation_map[0] <= 1
    # the squared error, image by image
    centred = train[1][:, :23] - train[1][:, :23].mean(0)
    own = model(train[0], torch.from_numpy(seen).float()).numpy()
    assert history.loss[0] == pytest.approx(np.square(own - centred).sum() / 601, rel=1e-4)
    assert history.best_state["readout.weight"].isfinite().all()
    assert ("as given" in told[-1]) == bool(given)
    readout = model.readout
    torch.testing.assert_close(readout.bind(torch.from_numpy(seen).float())(train[0]), torch.from_numpy(own))
    assert readout(train[0].transpose(1, 2)[..., None], torch.from_numpy(seen).float()).shape == (601, 23)


def test_what_cannot_be_solved_is_named():
    x, y, s = _problem()
    with pytest.raises(InputError, match="the pooled tokens are all the same"):
        Spectrum(np.zeros((3, 3)), "the pooled tokens")
    problem = Problem(Statistics.of([(x, y[:, :1])], CHANNELS, 1), s[:1], x, y[:, :1], False, 0)
    with pytest.raises(InputError, match="one seen label cannot be divided"):
        choose_ridges(problem, Spectrum(x.T @ x, "x"), ((1.0,), (1.0, 2.0)))
    readout = EszslReadout(CHANNELS, EMBED)
    assert readout(torch.ones(2, TOKENS, CHANNELS), torch.ones(5, EMBED)).isnan().all()  # not solved yet
    tokens = torch.from_numpy(np.random.default_rng(0).normal(size=(5, TOKENS, CHANNELS))).float()
    table = np.ones((5, LABELS), np.int8)
    seen = SeenSamples(_samples(tokens, table), _samples(tokens, table * 0), torch.from_numpy(s))
    with pytest.raises(InputError, match="the validation part holds no positive"):
        solve(ZeroShotModel(None, readout), seen, Context.of("fp32"))
