"""Differences among the runs of a table: in config keys, versions and protocol stamps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.tables.table_folder import FinishedRun, TableFolder


@dataclass(frozen=True)
class Difference:
    """A key that differs among variants, its value in each (None without a config), and whether it is an axis."""

    key: str
    values: tuple[str | None, ...]
    axis: bool


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as text by "section.key"."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def config_differences(table: TableFolder) -> tuple[list[Difference], dict[str, str]]:
    """The config keys whose values differ among variants, and those that all share; seeds are left out.

    The first run of a variant that has a config stands for the variant.
    """
    configs = []
    for axes in table.variants:
        config = next((run.config for run in table.of(axes) if run.config is not None), None)
        configs.append(None if config is None else flattened(config))
    there = [config for config in configs if config is not None]
    keys = [key for key in dict.fromkeys(k for c in there for k in c) if key != "train.seed"]
    names = {name.rpartition(".")[2] for name in table.variants[0]}
    differences, shared = [], {}
    for key in keys:
        if len({config.get(key) for config in there}) == 1:
            shared[key] = there[0][key]
        else:
            values = tuple(None if config is None else config.get(key, "not set") for config in configs)
            differences.append(Difference(key, values, key.rpartition(".")[2] in names))
    return differences, shared


def disagreeing(
    runs: Sequence[FinishedRun], values: Sequence[Mapping[str, Any] | None]
) -> dict[str, dict[str, list[str]]]:
    """For each key whose values differ among runs: the runs' folders by value."""
    flat = {run.path: flattened(v) for run, v in zip(runs, values, strict=True) if v is not None}
    found: dict[str, dict[str, list[str]]] = {}
    for key in dict.fromkeys(key for value in flat.values() for key in value):
        groups: dict[str, list[str]] = {}
        for path, value in flat.items():
            groups.setdefault(value.get(key, "not set"), []).append(path)
        if len(groups) > 1:
            found[key] = groups
    return found
