"""Tables of variants: they share data, tokens and bank, and differ in a few config keys."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat

from experiments.output.files import InnerPath

if TYPE_CHECKING:  # without torch, so that the list of tables is shown at once
    from embeddings.banks.bank import Bank
    from zsl.runs.config import RunConfig


@dataclass(frozen=True)
class Variant:
    """Config values by key, and the paper's figures by metric, if it has any."""

    settings: dict[str, Any]
    paper: Mapping[str, float] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, Any]:
        """The values by the last part of their keys, {"query": "text", ...}; by whole keys if last parts are equal."""
        ends = [key.rpartition(".")[2] for key in self.settings]
        named = zip(self.settings.items(), ends, strict=True)
        return {end if ends.count(end) == 1 else key: value for (key, value), end in named}

    @property
    def shown(self) -> dict[str, str]:
        """The axes as tables show them: file names without their folders."""
        return {axis: shown_value(value) for axis, value in self.axes.items()}

    @property
    def title(self) -> str:
        """The variant as a folder's name."""
        title = re.sub(r"[^\w.+-]+", "_", "-".join(self.shown.values()))
        digest = hashlib.sha256(title.encode()).hexdigest()[:8]
        return title if len(title) <= LONGEST else f"{title[:LONGEST]}-{digest}"


LONGEST = 100  # letters of a title: names of files have 255 bytes
COST = "G MAC"  # the metric of a run's cost: 10^9 multiply-accumulates per image, backbone included


def shown_value(value: Any, short: bool = True) -> str:
    """A config value as tables show it; if `short`, file names are without their folders."""
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    elif isinstance(value, list | tuple) and all(isinstance(one, dict) and "kind" in one for one in value):
        value = " + ".join(one["kind"] for one in value)  # members of a blend
    text = value if isinstance(value, str) else "none" if value is None else json.dumps(value)
    return re.sub(r"[^+:,=]*/(?=[^+/])", "", text) if short else text


@dataclass(frozen=True)
class Ablation:
    """A table: its variants in order, its default recipe, and settings over that.

    `published` names the data of the paper's figures. `epoch` says on which data their epoch was chosen; it is "" where
    that is not stated. `on_files` are the variants for image files, if these differ from those for drawn pictures.
    `on_pairs` are further rows where the tokens are of an image-text pair. `on_data` are the tables that stand for this
    one on other datasets, by `data.name`: the paper has other figures there.
    """

    caption: str
    variants: tuple[Variant, ...]
    recipe: str
    settings: tuple[str, ...] = ()
    published: str = "NUS-WIDE"
    epoch: str = ""
    on_files: tuple[Variant, ...] = ()
    on_pairs: tuple[Variant, ...] = ()
    on_data: Mapping[str, "Ablation"] = field(default_factory=dict)

    def over(self, config: "RunConfig") -> "Ablation":
        """The table of a config; readouts that cannot train the backbone too use the initial one."""
        from zsl.readouts.table import READOUTS
        from zsl.runs.pairs import pair_of

        if config.data.name in self.on_data:
            return self.on_data[config.data.name].over(config)
        variants = self.on_files if self.on_files and not config.data.drawn else self.variants
        variants += self.on_pairs if pair_of(config) is not None else ()
        tuned = config.backbone is not None and config.backbone.mode == "tuned"
        own = {kind: {"backbone.mode": "frozen"} for kind, readout in READOUTS.items() if tuned and readout().frozen}
        kinds = (one.settings.get("decoder.kind", config.decoder.kind) for one in variants)
        found = [
            Variant(one.settings | own.get(kind, {}), one.paper) for kind, one in zip(kinds, variants, strict=True)
        ]
        return replace(self, variants=tuple(found))


def random_labels(bank: "Bank") -> int:
    """How many labels have a random vector because the encoder has none for them."""
    return sum("random vector" in note for note in bank.notes)


@dataclass(frozen=True)
class Record:
    """An entry of `results.json`; metrics are fractions, `run` is relative to the table's folder.

    `run` is "" where nothing was trained.
    """

    variant: Mapping[str, Any]
    seed: int
    metrics: Mapping[str, FiniteFloat]
    run: InnerPath
