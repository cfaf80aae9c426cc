"""The tables of an evaluation, and of several side by side."""

from collections.abc import Sequence

import numpy as np

from experiments.config.advice import chance_notes, parts_at_chance
from experiments.runs.result import Result
from experiments.tables.text_table import TextTable
from experiments.tables.threshold_tables import threshold_notes, threshold_table
from zsl.evaluation.evaluation import Evaluation, interval_of
from zsl.evaluation.metric_names import shown_columns
from zsl.evaluation.protocol import left_out
from zsl.evaluation.stamp import Stamp, check_comparable

# by `evaluate.company`; "grouped" is the paper's form and needs no words
ASKED = {
    "anchored": "Each label was asked by itself, in the training group and the slot of its nearest seen label",
    "alone": "Each label was asked by itself, in an otherwise empty group",
}


def metrics_table(result: Result) -> TextTable:
    """The main figures, with their intervals and those of chance."""
    found = result.evaluation
    columns = shown_columns(found.metrics)
    rows = [
        ["this run", *(f"{100 * found.metrics[c]:.1f}" for c in columns)],
        ["chance", *(_percent(found.metrics.get(f"{c}_chance")) for c in columns)],
    ]
    intervals = found.intervals
    if intervals:
        rows.insert(1, ["95 % interval", *(_range(intervals.get(c)) for c in columns)])
    return TextTable(f"{result.name} on {result.test.name}", ["", *columns.values()], rows)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}"


def bias_table(result: Result) -> TextTable | None:
    """Seen against unseen labels among the K best of all labels; None for a closed set."""
    found = result.evaluation
    if not found.trade_offs:
        return None
    metrics = found.metrics
    rows = []
    for k in found.trade_offs:
        alone, lost = metrics.get(f"zsl/recall@{k}"), metrics.get(f"gzsl/unseen_recall_lost@{k}")
        for title, prefix in (("as it is", ""), ("calibrated", "calibrated_")):
            if f"gzsl/{prefix}recall_seen@{k}" not in metrics:
                continue
            parts = [metrics[f"gzsl/{prefix}recall_{part}@{k}"] for part in ("seen", "unseen", "harmonic")]
            f1 = metrics.get(f"gzsl/{prefix}f1@{k}")
            more = [_percent(alone), _percent(lost), _percent(metrics[f"gzsl/ausuc@{k}"])] if not prefix else [""] * 3
            rows.append([f"@{k} {title}", *map(_percent, parts), _percent(f1), *more])
    header = ["recall", "seen", "unseen", "harmonic mean", "F1", "unseen alone", "lost to seen", "area under curve"]
    return TextTable("Seen and unseen labels among the K best of all (GZSL)", header, rows)


def generalisation_table(result: Result) -> TextTable | None:
    """Mean AP of groups of unseen labels; None without groups."""
    protocol = "zsl" if "zsl" in result.labels.ap else None
    rows = result.labels.explanations(protocol) if protocol else []
    if not rows:
        return None
    cells = [[title, which, f"{100 * mean:.1f}", str(count)] for title, which, mean, count in rows]
    return TextTable("Where unseen labels are found (ZSL)", ["by", "", "mean AP", "labels"], cells, left=2)


def tables_of(result: Result) -> list[TextTable]:
    """All tables of one evaluation."""
    made = (metrics_table(result), threshold_table(result), bias_table(result), generalisation_table(result))
    return [table for table in made if table is not None]


def comparison_table(results: Sequence[Result], mixed: bool = False) -> TextTable:
    """Results side by side.

    Results on the same test images have the paired interval of their difference from the first result. A cell is empty
    if its result lacks the metric.

    Args:
        results: at least two.
        mixed: whether results of different protocols may be compared.
    Raises:
        InputError: results of different protocols, which are not to be compared.
    """
    if not mixed:
        check_comparable({result.name: result.evaluation.stamp for result in results})
    columns: dict[str, str] = {}
    for result in results:
        columns |= shown_columns(result.evaluation.metrics)
    first = results[0].evaluation
    rows = []
    for result in results:
        found = result.evaluation
        base = first if found is not first and found.stamp.truth == first.stamp.truth else None
        cells = [_cell(found, base, column) for column in columns]
        test = [_test_set(found.stamp)] if mixed else []
        rows.append([result.name, *test, *cells])
    header = ["", *(["test set"] if mixed else []), *columns.values()]
    return TextTable("Side by side", header, rows, left=1 + mixed)


def _test_set(stamp: Stamp) -> str:
    asked = f", labels {stamp.company}" if stamp.company in ASKED else ""
    asked += f", normalised by {stamp.normalise}" if stamp.normalise not in (None, "none") else ""
    return f"{stamp.test_set}, {stamp.images:,} images{asked}"


def _cell(found: Evaluation, first: Evaluation | None, column: str) -> str:
    """A figure, with the interval of its difference from the first result's; "" without one."""
    if column not in found.metrics:
        return ""
    cell = f"{100 * found.metrics[column]:.1f}"
    if first is None or column not in found.replicates or column not in first.replicates:
        return cell
    own, other = found.replicates[column], first.replicates[column]
    drawn = min(len(own), len(other))  # runs may have other numbers of replicates; the first ones are the same draws
    difference = found.metrics[column] - first.metrics[column]
    low, high = interval_of(column, own[:drawn] - other[:drawn], difference, ends=(-1.0, 1.0))
    return cell + f" ({100 * low:+.1f} to {100 * high:+.1f}{'' if low <= 0 <= high else ' *'})"


def footnotes(result: Result) -> list[str]:
    """Explains the figures, one sentence per line."""
    stamp, test = result.evaluation.stamp, result.test
    parts = f"{len(test.seen)} seen and {len(test.unseen)} unseen labels" if test.unseen else f"{len(test.seen)} labels"
    lines = [f"Percent; {stamp.images:,} test images ({stamp.test_set}), {parts}, {stamp.absent}."]
    if result.evaluation.intervals:
        lines.append("Intervals: bootstrap over test images; they do not cover the differences between training seeds.")
    lines += chance_notes(parts_at_chance(result.evaluation.metrics, result.evaluation.intervals))
    if stamp.company in ASKED:
        lines.append(f"{ASKED[stamp.company]} (evaluate.company = {stamp.company!r}).")
    if stamp.normalise not in (None, "none"):
        lines.append(f"Scores were normalised by {stamp.normalise} (evaluate.normalise).")
    if stamp.partial:
        lines.append(f"Partial annotations: {stamp.partial}.")
    if stamp.shift is not None:
        lines.append(f"Calibrated: {stamp.shift:.4g} subtracted from seen logits, chosen on validation data.")
    lines += threshold_notes(result)
    lines += left_out({name: labels for name, (labels, _) in stamp.labels.items()}, stamp.k)
    lines += [f"{protocol}: {title}." for protocol, title in stamp.known_as().items()]
    absent = [n for n, values in result.evaluation.ap.items() if np.isnan(values).any()]
    lines += [f"{n}: {int(np.isnan(result.evaluation.ap[n]).sum())} labels have no positive." for n in absent]
    return lines
