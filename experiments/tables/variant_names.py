"""Short names of variants: what differs among them."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations


def short_names(variants: Sequence[Mapping[str, str]]) -> list[str]:
    """Names each variant by its value of the first axis that differs, and among equal ones by as few axes as possible.

    So "conse / none / none / 0.015" is "conse" if it is the only variant of this kind.

    Args:
        variants: their values by axis, all with the same axes.
    Returns:
        a name for each variant; only equal variants have equal names.
    """
    axes = [axis for axis in variants[0] if len({variant[axis] for variant in variants}) > 1]
    if not axes:
        return [" / ".join(variant.values()) for variant in variants]
    first, *others = axes
    names = []
    for variant in variants:
        alike = [other for other in variants if other[first] == variant[first]]
        chosen = [first, *_telling(alike, others)]
        names.append(" / ".join(_named(axis, variant[axis]) for axis in chosen))
    return names


def _telling(variants: Sequence[Mapping[str, str]], axes: Sequence[str]) -> Sequence[str]:
    """The fewest axes that tell variants apart; the first such ones."""

    def distinct(chosen: Sequence[str]) -> int:
        return len({tuple(variant[axis] for axis in chosen) for variant in variants})

    choices = (chosen for number in range(len(axes)) for chosen in combinations(axes, number))
    return next((chosen for chosen in choices if distinct(chosen) == distinct(axes)), axes)


def _named(axis: str, value: str) -> str:
    """The value; with its axis if it says nothing alone."""
    return f"{axis} {value}" if re.fullmatch(r"none|true|false|[-+\d.e]+", value) else value
