"""What a selection ranks: a variant with a normalisation of its scores, or a blend of several variants."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.grids.variants import Variant
from zsl.readouts.normalisation import How
from zsl.runs.config import RunConfig
from zsl.training.config import SHARED, TrainConfig

# keys of [train] that each member of a blend may have for itself
OWN_KEYS = tuple(key for key in TrainConfig.model_fields if key not in SHARED)
ALONE: tuple[How, ...] = ("none", "image")


@dataclass(frozen=True)
class Candidate:
    """Variants whose scores are added up.

    Args:
        members: numbers of the variants, ascending.
        weights: one a member; only their ratios matter.
        how: the scores of each member are normalised so.
    """

    members: tuple[int, ...]
    weights: tuple[int, ...]
    how: How

    @classmethod
    def of(cls, members: Sequence[int]) -> "Candidate":
        """A blend with equal weights, of scores that are normalised by image."""
        return cls(tuple(sorted(members)), (1,) * len(members), "image")

    def told(self, variants: Sequence[Variant]) -> str:
        """In words: "2 x eszsl + ml-decoder, by image"."""
        names = [_name(variants[member]) for member in self.members]
        if len(set(self.weights)) > 1:
            names = [f"{weight} x {name}" for weight, name in zip(self.weights, names, strict=True)]
        return " + ".join(names) + (", by image" if self.how == "image" else "")


def _name(variant: Variant) -> str:
    """The variant's values, without keys that its config lacks."""
    values = list(variant.shown.values())
    return "/".join(value for value in values if value != "none") or "/".join(values)


def blend_key(config: RunConfig) -> str | None:
    """Equal for configs whose readouts can be members of one blend; None for one that cannot be a member.

    A blend has one bank, one backbone and one dataset.
    """
    if config.decoder.kind == "blend" or (config.backbone is not None and config.backbone.mode == "tuned"):
        return None
    rest = config.model_dump(mode="json", exclude={"decoder": True, "train": set(OWN_KEYS)})
    return json.dumps(rest, sort_keys=True)


def chosen_values(candidate: Candidate, configs: Sequence[RunConfig]) -> dict[str, Any]:
    """The sections of the config that trains a candidate on all seen labels.

    Args:
        candidate: a variant, or a blend.
        configs: of the variants.
    """
    chosen = [configs[member].model_dump(mode="json") for member in candidate.members]
    values = chosen[0]
    del values["held_out"]
    values["evaluate"]["normalise"] = candidate.how if len(chosen) == 1 else "none"
    if len(chosen) == 1:
        return values
    members = []
    for one in chosen:
        own = {key: one["train"][key] for key in OWN_KEYS if one["train"][key] != values["train"][key]}
        members.append(one["decoder"] | ({"train": own} if own else {}))
    weights = [float(weight) for weight in candidate.weights]
    values["decoder"] = {"kind": "blend", "members": members, "weights": weights, "normalise": candidate.how}
    return values
