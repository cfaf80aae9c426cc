"""Transforms against scikit-learn, fitted on seen labels alone, and the same for labels that come later."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from embeddings.banks.transforms import fit_transforms, transformed
from embeddings.io import mapping
from embeddings.io.errors import InputError


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch):
    monkeypatch.setattr(mapping, "ROWS", 11)


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    return (generator.normal(size=(53, 7)) @ generator.normal(size=(7, 7)) + 5).astype(np.float32)


def _applied(names, vectors, num_seen, widths=(7,)):
    fitted = fit_transforms(names, vectors[:num_seen], widths)
    return np.concatenate(list(transformed(vectors, fitted)))


def test_centring_takes_the_mean_of_the_seen_labels(vectors):
    np.testing.assert_allclose(_applied(["center"], vectors, 31), vectors - vectors[:31].mean(0), atol=1e-5)


@pytest.mark.parametrize(("names", "components", "whiten"), [(["whiten"], 7, True), (["pca:3"], 3, False)])
def test_whitening_and_pca_are_those_of_scikit_learn(vectors, names, components, whiten):
    reference = PCA(components, whiten=whiten, svd_solver="full").fit(vectors[:31].astype(np.float64))
    found, expected = _applied(names, vectors, 31), reference.transform(vectors)
    signs = np.sign((found * expected).sum(0))  # the sign of a component is a convention
    np.testing.assert_allclose(found * signs, expected, rtol=0, atol=1e-4)


def test_whitened_seen_labels_are_uncorrelated(vectors):
    found = _applied(["l2", "whiten"], vectors, 31)[:31]
    np.testing.assert_allclose(np.cov(found.T), np.eye(found.shape[1]), atol=1e-8)


def test_whitening_is_exact_for_vectors_far_from_the_origin_and_of_unequal_scales():
    scales = np.geomspace(1, 1e-2, 7)
    vectors = (np.random.default_rng(0).normal(size=(53, 7)) * scales + 3).astype(np.float32)
    np.testing.assert_allclose(np.cov(_applied(["whiten"], vectors, 53).T), np.eye(7), atol=1e-7)


def test_whitening_keeps_the_dimensions_that_the_seen_labels_span(vectors):
    assert _applied(["whiten"], vectors, 5).shape == (53, 4)  # 5 points span 4


def test_l2_gives_the_parts_of_a_concatenation_equal_norms(vectors):
    found = _applied(["l2"], vectors, 31, widths=(2, 5))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(found[:, :2], axis=1), 0.5**0.5)
    # (3, 4) and (0, 2): (0.6, 0.8) and (0, 1), each over the square root of 2
    (worked,) = _applied(["l2"], np.array([[3.0, 4, 0, 2]]), 1, widths=(2, 2))
    np.testing.assert_allclose(worked * 2**0.5, [0.6, 0.8, 0, 1])


def test_transforms_follow_one_another(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(_applied(["l2", "center"], vectors, 31), unit - unit[:31].mean(0), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("L2", "unknown transform 'L2'; known: l2, center, whiten, pca:WIDTH"),
        ("center:3", "unknown transform"),
        ("pca", "write pca:WIDTH"),
        ("pca:0", "write pca:WIDTH"),
        ("pca:" + "9" * 5000, "write pca:WIDTH"),
        ("pca:8", "span only 7 dimensions"),
    ],
)
def test_unusable_transforms_are_named(vectors, name, message):
    with pytest.raises(InputError, match=message):
        _applied([name], vectors, 31)


def test_vectors_that_do_not_vary_cannot_be_whitened():
    with pytest.raises(InputError, match="do not vary"):
        _applied(["whiten"], np.ones((5, 3)), 5)
