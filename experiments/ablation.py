"""Tables of variants: the same data, tokens and bank, one part of the decoder changed at a time."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embeddings import Bank
from embeddings.encoders import split_spec
from experiments.config import RunConfig, put_value, validated


@dataclass(frozen=True)
class Variant:
    """Config values by key, and the paper's unseen mAP in percent where it has one."""

    settings: Mapping[str, Any]
    paper: float | None = None

    @property
    def axes(self) -> dict[str, Any]:
        """The values by the last part of their keys, {"query": "text", ...}, or by whole keys where two end alike."""
        ends = [key.rpartition(".")[2] for key in self.settings]
        named = zip(self.settings.items(), ends, strict=True)
        return {end if ends.count(end) == 1 else key: value for (key, value), end in named}

    @property
    def shown(self) -> dict[str, str]:
        """The axes as tables show them: file names without their folders."""
        return {axis: _shown(value) for axis, value in self.axes.items()}

    @property
    def title(self) -> str:
        """Fit for a folder's name."""
        title = re.sub(r"[^\w.+-]+", "_", "-".join(self.shown.values()))
        digest = hashlib.sha256(title.encode()).hexdigest()[:8]
        return title if len(title) <= LONGEST else f"{title[:LONGEST]}-{digest}"


LONGEST = 100  # letters of a title: names of files have 255 bytes


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return re.sub(r"[^+:,=]*/(?=[^+/])", "", value)
    return "none" if value is None else json.dumps(value)


@dataclass(frozen=True)
class Ablation:
    """A table: its variants, in order, the recipe that it runs on unless told otherwise, and settings over that."""

    caption: str
    variants: tuple[Variant, ...]
    recipe: str
    settings: tuple[str, ...] = ()


def _query_head(query: str, head: str, paper: float) -> Variant:
    return Variant({"decoder.query": query, "decoder.head": head}, paper)


MINILM = "sentence-transformers:sentence-transformers/all-MiniLM-L6-v2"


def encoder_variants(encoders: Sequence[str]) -> tuple[Variant, ...]:
    """One variant an encoder, and last, where there are several, those that know something about names joined."""
    families = {spec: {part.partition(":")[0] for part in split_spec(spec)} for spec in encoders}
    informed = [spec for spec in families if "random" not in families[spec]]
    joined = ["+".join(informed)] if len(informed) > 1 else []
    return tuple(Variant({"bank.encoder": spec}) for spec in dict.fromkeys([*encoders, *joined]))


ABLATIONS: dict[str, Ablation] = {
    "encoders": Ablation(
        "Text encoders: unseen labels by their own names and by synonyms",
        encoder_variants(("lexical", MINILM, "corpus", "random")),
        recipe="scenes",
        # corpus vectors know the words of the training tags alone: phrases are means of them, synonyms get random ones
        settings=('bank.oov=["phrase", "lower", "parts", "random"]',),
    ),
    "table8": Ablation(
        "Table 8: query type x head type in zero-shot group decoding",
        (
            _query_head("text", "learnable", 2.4),
            _query_head("text", "shared", 2.6),
            _query_head("learnable", "text", 23.4),
            _query_head("text", "text", 28.7),
        ),
        recipe="scenes",
    ),
}


@dataclass(frozen=True)
class Record:
    """One run of a table, as in results.json; metrics are fractions, `run` is relative to the table's folder."""

    variant: Mapping[str, Any]
    seed: int
    metrics: Mapping[str, float]
    run: str


@dataclass(frozen=True)
class Results:
    """A finished table.

    `baseline` holds the metrics of the backbone's own readout, where it was trained here; `random` counts the labels
    that the policy gave random vectors, by variant's title.
    """

    ablation: Ablation
    config: RunConfig
    records: tuple[Record, ...]
    baseline: Mapping[str, float]
    random: Mapping[str, int]

    def of(self, variant: Variant, metric: str) -> np.ndarray:
        """A metric's values over seeds."""
        return np.array([r.metrics[metric] for r in self.records if r.variant == variant.axes])


def random_labels(bank: Bank) -> int:
    """How many labels have a random vector because the encoder has none for them."""
    return sum("random vector" in note for note in bank.notes)


def variant_config(config: RunConfig, variant: Variant) -> RunConfig:
    """A config with a variant's values.

    Raises:
        InputError: an unknown key or an impossible value.
    """
    return changed(config, variant.settings, f"variant {variant.title}")


def changed(config: RunConfig, settings: Mapping[str, Any], place: str) -> RunConfig:
    """A config with other values by key.

    Raises:
        InputError: an unknown key or an impossible value; it tells the place.
    """
    values = config.model_dump(mode="json")
    for key, value in settings.items():
        put_value(values, key, value, place)
    return validated(values, place)
