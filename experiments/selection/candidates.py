"""What a selection ranks: a variant with a normalisation of its scores, or a blend of several variants."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.grids.variants import Variant
from zsl.readouts.normalisation import How
from zsl.runs.config import RunConfig

# keys of [train] that each member of a blend may have for itself
LOSS_KEYS = ("loss", "gamma_neg", "gamma_pos", "margin", "focal_gamma", "untagged_weight")
OWN_KEYS = ("lr", "epochs", "batch_size", "weight_decay", "ema", "random_queries", *LOSS_KEYS)
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
        names = ["/".join(variants[member].shown.values()) for member in self.members]
        if len(set(self.weights)) > 1:
            names = [f"{weight} x {name}" for weight, name in zip(self.weights, names, strict=True)]
        return " + ".join(names) + (", by image" if self.how == "image" else "")


def blend_key(config: RunConfig) -> str | None:
    """Equal for configs whose readouts can be members of one blend; None for one that cannot be a member.

    A blend has one bank, one backbone and one dataset.
    """
    if config.backbone is not None and config.backbone.mode == "tuned":
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
    if len(chosen) == 1:
        values["evaluate"]["normalise"] = candidate.how
        return values
    members = []
    for one in chosen:
        own = {key: one["train"][key] for key in OWN_KEYS if one["train"][key] != values["train"][key]}
        members.append(one["decoder"] | ({"train": own} if own else {}))
    weights = [float(weight) for weight in candidate.weights]
    values["decoder"] = {"kind": "blend", "members": members, "weights": weights, "normalise": candidate.how}
    return values
