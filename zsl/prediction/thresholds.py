"""`thresholds.json`: what turns a model's logits into probabilities, and probabilities into labels that are taken."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, FiniteFloat

from embeddings.io import atomic
from embeddings.io.reading import read_model
from zsl.readouts.company import Company
from zsl.readouts.normalisation import Normalisation, OfPicture

FILE = "thresholds.json"
AGAIN = "remove it and run zsl threshold again"
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]
Temperature = Annotated[FiniteFloat, Field(gt=0)]
Seen = Bool[np.ndarray, " label"]


@dataclass(frozen=True)
class Rule:
    """For one group of labels: probability = sigmoid((logit - bias) / temperature), taken above the threshold."""

    temperature: Temperature
    bias: FiniteFloat
    threshold: Probability


@dataclass(frozen=True)
class Thresholds:
    """What `zsl threshold` chose for a model, on validation images.

    Args:
        seen: for labels that the model was trained on.
        unseen: for all other words.
        by_label: thresholds of single seen labels, by name; they replace that of `seen`.
        company: in which labels were asked (`zsl.readouts.readout.Readout.bind_each`); None for a readout without.
        normalise, temperature: how scores were normalised (`zsl.readouts.normalisation`).
    """

    seen: Rule
    unseen: Rule
    by_label: Mapping[str, Probability] = field(default_factory=dict)
    company: Company | None = None
    normalise: OfPicture = "none"
    temperature: Temperature = 1.0

    @property
    def normalisation(self) -> Normalisation:
        """`normalise` and `temperature`."""
        return Normalisation(self.normalise, self.temperature)

    @classmethod
    def load(cls, path: Path) -> "Thresholds":
        """The thresholds in a file.

        Raises:
            InputError: a missing or damaged file.
        """
        return read_model(path, cls, AGAIN)

    def save(self, path: Path) -> None:
        """Writes the thresholds into a file."""
        atomic.write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    def scaled(self, logits: Float[np.ndarray, "image label"], seen: Seen) -> Float[np.ndarray, "image label"]:
        """Log-odds of the probabilities.

        Args:
            logits: (image, label).
            seen: (label,) whether the model was trained on the label.
        Returns:
            (image, label) float64.
        """
        bias, temperature = (
            np.where(seen, getattr(self.seen, name), getattr(self.unseen, name)) for name in ("bias", "temperature")
        )
        return (logits - bias) / temperature

    def probabilities(self, logits: Float[np.ndarray, "image label"], seen: Seen) -> Float[np.ndarray, "image label"]:
        """The probability that an image shows a label.

        Args:
            logits, seen: same as for `scaled`.
        Returns:
            (image, label) float64.
        """
        from scipy.special import expit

        found: np.ndarray = expit(self.scaled(logits, seen))
        return found

    def of(self, labels: Sequence[str], seen: Seen) -> Float[np.ndarray, " label"]:
        """The threshold of each label, on its probability.

        Args:
            labels: their names.
            seen: (label,) whether the model was trained on the label.
        """
        rules = np.where(seen, self.seen.threshold, self.unseen.threshold)
        own = [self.by_label.get(name, rule) for name, rule in zip(labels, rules.tolist(), strict=True)]
        return np.where(seen, own, rules)

    def taken(
        self, probabilities: Float[np.ndarray, "image label"], labels: Sequence[str], seen: Seen
    ) -> Bool[np.ndarray, "image label"]:
        """Which labels are taken: those whose probability is above their threshold.

        Args:
            probabilities: (image, label) of `probabilities`.
            labels: (label,) their names.
            seen: (label,) whether the model was trained on the label.
        """
        return probabilities > self.of(labels, seen)

    def described(self) -> dict[str, Any]:
        """What a result's stamp says of them: the thresholds on probabilities, and how many labels have their own."""
        return {
            "seen": self.seen.threshold,
            "unseen": self.unseen.threshold,
            "labels_with_their_own": len(self.by_label),
            "company": self.company,
            "normalise": self.normalisation.told,
        }
