"""Temperatures and biases against scikit-learn, and calibration errors against a loop and scikit-learn."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from zsl.evaluation.probabilities import Scale, fit_scale, reliability


def _drawn(count=4001, scale=3.0, shift=7.0):
    """Logits whose positives have the probability sigmoid((logit - shift) / scale)."""
    generator = np.random.default_rng(0)
    logits = (shift + scale * generator.normal(-2, 2, count)).astype(np.float32)
    return logits, generator.random(count) < expit((logits - shift) / scale)


def test_the_scale_is_that_of_logistic_regression():
    logits, targets = _drawn()
    found = fit_scale(logits, targets)
    positives, negatives = targets.sum(), (~targets).sum()
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    # a soft target is a positive and a negative with weights
    weights = np.concatenate([np.where(targets, high, low), 1 - np.where(targets, high, low)])
    model = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    model.fit(np.tile(logits, 2)[:, None], np.repeat([1, 0], len(logits)), weights)
    slope, offset = model.coef_[0, 0], model.intercept_[0]
    assert found.temperature == pytest.approx(1 / slope, rel=1e-3)
    assert found.bias == pytest.approx(-offset / slope, rel=1e-3)
    assert found.temperature == pytest.approx(3, rel=0.1)
    assert found.bias == pytest.approx(7, rel=0.1)
    np.testing.assert_allclose(found.probabilities(logits), model.predict_proba(logits[:, None])[:, 1], atol=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1e3, -1e4)])
def test_the_scale_follows_the_unit_of_the_logits(scale, shift):
    logits, targets = _drawn()
    one = fit_scale(logits, targets)
    other = fit_scale(logits.astype(np.float64) * scale + shift, targets)
    np.testing.assert_allclose(other.temperature, one.temperature * scale, rtol=1e-4)
    np.testing.assert_allclose(other.bias, one.bias * scale + shift, rtol=1e-4, atol=1e-4 * scale)


def test_separated_logits_have_a_finite_scale():
    found = fit_scale(np.arange(10.0), np.arange(10) >= 7)
    probabilities = found.probabilities(np.arange(10.0))
    assert 0 < found.temperature < 3
    assert (probabilities > 0.5).tolist() == [False] * 7 + [True] * 3
    assert np.isfinite(found.bias)


@pytest.mark.parametrize("logits", [np.zeros(12), np.arange(12.0)])
def test_logits_that_tell_nothing_give_the_share_of_positives(logits):
    targets = np.arange(12) < 4
    # Platt's targets: (4 x 5/6 + 8 x 1/10) / 12
    np.testing.assert_allclose(fit_scale(logits, targets).probabilities(logits), 0.3444, atol=1e-3)


def test_one_scale_after_another_is_one_scale():
    logits = np.linspace(-5, 5, 11)
    first, second = Scale(2.0, 0.5), Scale(0.7, -1.5)
    np.testing.assert_allclose(
        first.then(second).probabilities(logits), second.probabilities(first.standardised(logits)), rtol=1e-12
    )


def test_a_scale_needs_both_kinds():
    for targets in (np.zeros(5, bool), np.ones(5, bool)):
        with pytest.raises(ValueError, match="needs both kinds"):
            fit_scale(np.arange(5.0), targets)


def test_reliability_is_that_of_a_loop_and_of_scikit_learn():
    generator = np.random.default_rng(1)
    probabilities = generator.random(997) ** 3
    targets = generator.random(997) < probabilities**2
    found = reliability(probabilities, targets, bins=7)
    error = 0.0
    for number in range(7):
        inside = [i for i, p in enumerate(probabilities) if number / 7 <= p < (number + 1) / 7]
        assert found.count[number] == len(inside)
        gap = sum(probabilities[i] for i in inside) - sum(float(targets[i]) for i in inside)
        error += abs(gap) / 997
    assert found.error == pytest.approx(error, rel=1e-9)
    observed, predicted = calibration_curve(targets, probabilities, n_bins=7)
    np.testing.assert_allclose(found.observed, observed, rtol=1e-9)
    np.testing.assert_allclose(found.predicted, predicted, rtol=1e-9)


def test_empty_bins_count_for_nothing():
    found = reliability(np.array([0.0, 0.05, 1.0, 1.0]), np.array([False, True, True, True]), bins=10)
    assert found.count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert np.isnan(found.predicted[1])
    # bin 0: mean 0.025, half of them positive; bin 9: mean 1, all positive
    assert found.error == pytest.approx(2 / 4 * 0.475)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        reliability(np.array([1.5]), np.array([True]))
