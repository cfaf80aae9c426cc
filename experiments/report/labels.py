"""Per-label results of a table, small enough to travel inside a page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.tables.label_rows import LabelRow
from experiments.tables.table_folder import FinishedRun

COUNTS = ("train_images", "test_images")


def over_seeds(runs: Sequence[FinishedRun]) -> list[LabelRow]:
    """The labels of the first run, with AP averaged over the runs that have it."""
    tables = [{row.label: row for row in run.labels} for run in runs if run.labels is not None]
    if not tables:
        return []
    merged = []
    for row in tables[0].values():
        ap: dict[str, float | None] = {}
        for protocol in row.ap:
            values = [v for t in tables if row.label in t and (v := t[row.label].ap.get(protocol)) is not None]
            ap[protocol] = float(np.mean(values)) if values else None
        merged.append(row.model_copy(update={"ap": ap}))
    return merged


def label_data(titles: Sequence[str], merged: Sequence[Sequence[LabelRow]], best: int) -> dict[str, Any] | None:
    """The labels' figures for the page's script; None if no run has any.

    AP is in tenths of a percent (null without a value), by protocol, then variant, then label. Facts that variants
    share are given once: `facts_of` has the index of each variant's facts in `facts`.

    Args:
        titles: the names of the variants.
        merged: for each variant, its labels averaged over seeds.
        best: the index of the variant that is shown first.
    """
    names = list(dict.fromkeys(row.label for rows in merged for row in rows))
    if not names:
        return None
    found = [{row.label: row for row in rows} for rows in merged]
    parts = {row.label: row.part for rows in merged for row in rows}
    protocols = list(dict.fromkeys(protocol for rows in merged for row in rows[:1] for protocol in row.ap))
    columns = [n for n in dict.fromkeys(n for rows in merged for row in rows[:1] for n in row.facts)]
    facts: list[dict[str, list[str | float | None]]] = []
    facts_of = []
    for rows in found:
        own = {name: [_fact(rows, label, name) for label in names] for name in columns} if rows else None
        if own is not None and own not in facts:
            facts.append(own)
        facts_of.append(None if own is None else facts.index(own))
    return {
        "labels": names,
        "parts": [parts[name] for name in names],
        "protocols": [p for p in protocols if any(_ap(rows, n, p) is not None for rows in found for n in names)],
        "best": best,
        "titles": list(titles),
        "facts": facts,
        "facts_of": facts_of,
        "ap": {p: [[_ap(rows, name, p) for name in names] for rows in found] for p in protocols},
    }


def _ap(rows: Mapping[str, LabelRow], label: str, protocol: str) -> int | None:
    value = rows[label].ap.get(protocol) if label in rows else None
    return None if value is None else round(1000 * value)


def _fact(rows: Mapping[str, LabelRow], label: str, name: str) -> str | float | None:
    value = rows[label].facts.get(name, "") if label in rows else ""
    if not value:
        return None
    try:
        return int(value) if name in COUNTS else round(float(value), 4)
    except ValueError:
        return value
