"""Logits to probabilities by a temperature and a bias, and how far probabilities are from frequencies."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.optimize import minimize
from scipy.special import expit

BINS = 15
FLATTEST = 1e-6  # the least slope of the fitted curve, in standard deviations of the logits
Logits = Float[np.ndarray, "*entry"]
Truth = Bool[np.ndarray, "*entry"]


@dataclass(frozen=True)
class Scale:
    """Probability = sigmoid((logit - bias) / temperature).

    Args:
        temperature: above 0; a high one makes probabilities alike.
        bias: the logit whose probability is one half.
    """

    temperature: float
    bias: float

    def probabilities(self, logits: Logits) -> Float[np.ndarray, "*entry"]:
        """Probabilities of logits, float64."""
        return expit((logits.astype(np.float64) - self.bias) / self.temperature)

    def standardised(self, logits: Logits) -> Float[np.ndarray, "*entry"]:
        """Log-odds of the probabilities, float64: they have the same meaning for every model."""
        return (logits.astype(np.float64) - self.bias) / self.temperature

    def then(self, second: "Scale") -> "Scale":
        """One scale that does both: `second` is a scale of this one's `standardised` logits."""
        return Scale(self.temperature * second.temperature, self.bias + self.temperature * second.bias)


def fit_scale(logits: Logits, targets: Truth) -> Scale:
    """The scale with the highest likelihood, by Platt's method (1999).

    The likelihood is convex in `1 / temperature` and `bias / temperature`. Platt's targets, (P + 1) / (P + 2) and
    1 / (N + 2) for P positives and N negatives, keep the solution finite where logits separate them. If high logits do
    not mean positives, the temperature is so high that all probabilities are about the share of positives.

    Args:
        logits: (entry,) one for each annotated image and label.
        targets: (entry,) whether the image shows the label.
    Returns:
        the scale.
    Raises:
        ValueError: no positive, or no negative.
    """
    values, positives = logits.astype(np.float64), int(targets.sum())
    if not 0 < positives < len(values):
        raise ValueError(f"{positives} of {len(values)} entries are positive; a scale needs both kinds")
    mean, spread = float(values.mean()), float(values.std()) or 1.0
    x = (values - mean) / spread
    wanted = np.where(targets, (positives + 1) / (positives + 2), 1 / (len(values) - positives + 2))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = parameters
        z = slope * x + offset
        error = expit(z) - wanted
        return float((np.logaddexp(0, z) - wanted * z).mean()), np.array([(error * x).mean(), error.mean()])

    share = positives / len(values)
    start = np.array([1.0, np.log(share / (1 - share))])
    limits = [(FLATTEST, None), (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-14, "gtol": 1e-10})
    slope, offset = map(float, found.x)
    return Scale(spread / slope, mean - spread * offset / slope)


@dataclass(frozen=True)
class Reliability:
    """Probabilities against frequencies, in bins of equal width over [0, 1].

    Args:
        count: (bin,) entries with a probability in the bin.
        predicted: (bin,) the mean of those probabilities; NaN in an empty bin.
        observed: (bin,) the share of those entries that are positive; NaN in an empty bin.
    """

    count: Int64[np.ndarray, " bin"]
    predicted: Float[np.ndarray, " bin"]
    observed: Float[np.ndarray, " bin"]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |predicted - observed| over entries (Naeini et al. 2015)."""
        filled = self.count > 0
        gaps = np.abs(self.predicted - self.observed)[filled]
        return float((self.count[filled] * gaps).sum() / self.count.sum())


def reliability(probabilities: Float[np.ndarray, "*entry"], targets: Truth, bins: int = BINS) -> Reliability:
    """Compares probabilities with frequencies.

    Args:
        probabilities: (entry,) in [0, 1].
        targets: (entry,) whether each is positive.
        bins: number of bins; a probability on an edge is in the higher one.
    Returns:
        counts and means by bin.
    Raises:
        ValueError: no entries, or probabilities outside [0, 1].
    """
    if not len(probabilities) or not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise ValueError("reliability needs probabilities in [0, 1]")
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(place, probabilities, bins) / count
        observed = np.bincount(place, targets, bins) / count
    return Reliability(count, predicted, observed)
