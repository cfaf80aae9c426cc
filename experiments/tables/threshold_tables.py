"""Tables of thresholds: how they were chosen, and what they give on test images."""

from experiments.runs.result import Result
from experiments.runs.thresholds import Choice
from experiments.tables.text_table import TextTable
from zsl.evaluation.decisions import AT
from zsl.evaluation.evaluation import Evaluation

GROUPS = (
    ("seen and unseen (GZSL)", "gzsl", ""),
    ("seen among all", "gzsl", "_seen"),
    ("unseen among all", "gzsl", "_unseen"),
    ("unseen alone (ZSL)", "zsl", ""),
    ("all labels", "closed", ""),
)
FIGURES = {"f1": "F1", "macro_f1": "macro F1", "precision": "precision", "recall": "recall"}


def choice_table(choice: Choice) -> TextTable:
    """How the rules of seen and of unseen labels do on validation images."""
    rules = [choice.thresholds.seen, choice.thresholds.unseen, None]
    rows = []
    for found, rule in zip(choice.found, rules, strict=True):
        errors = [f"{100 * part.error:.2f}" for part in (found.plain, found.fitted)]
        chosen = ["", "", ""] if rule is None else [f"{v:.3g}" for v in (rule.threshold, rule.bias, rule.temperature)]
        rows.append([found.title, str(found.labels), *(f"{100 * value:.1f}" for value in found.f1), *errors, *chosen])
    header = ["on validation images", "labels", "F1", "precision", "recall", "ECE of sigmoid(logit)", "ECE"]
    return TextTable("Thresholds", [*header, "threshold", "bias", "temperature"], rows)


def choice_notes(choice: Choice, least: int) -> list[str]:
    """What the table rests on, one sentence a line."""
    own = choice.own
    lines = [
        "Percent. A label is taken if sigmoid((logit - bias) / temperature) is above the threshold. ECE: expected "
        "calibration error. The rules of left-out labels are for models that were trained without these labels; the "
        "threshold, bias and temperature beside them are those of the run's unseen labels."
    ]
    if not own.enough:
        return [*lines, f"No label has {least} positives on validation images, so none has a threshold of its own."]
    told = ", ".join(f"{100 * f1:.1f} {_weighted(weight)}" for weight, f1 in own.f1.items())
    lines.append(
        f"{own.enough} labels have {least} positives or more; their mean F1, cross-validated: {told}. "
        f"Chosen: {_weighted(own.weight)}."
    )
    return lines


def _weighted(weight: float) -> str:
    return {0.0: "at the common threshold", 1.0: "at thresholds of their own"}.get(weight, "half way between both")


def threshold_table(result: Result) -> TextTable | None:
    """What thresholds give on test images, beside F1 of the K best labels; None without thresholds."""
    found = result.evaluation
    if found.stamp.thresholds is None:
        return None
    rows = []
    for title, protocol, group in GROUPS:
        names = [f"{protocol}/{figure}{group}{AT}" for figure in FIGURES]
        if names[0] in found.metrics:
            at_k = [found.metrics.get(f"{protocol}/f1{group}@{k}") for k in found.stamp.k]
            plain = ["" if value is None else f"{100 * value:.1f}" for value in at_k]
            errors = [f"{100 * found.metrics[f'{protocol}/{e}{group}']:.2f}" for e in ("ece_plain", "ece")]
            rows.append([title, *(_cell(found, name) for name in names), *plain, *errors])
    header = ["", *FIGURES.values(), *(f"F1@{k}" for k in found.stamp.k), "ECE of sigmoid(logit)", "ECE"]
    return TextTable("At chosen thresholds", header, rows)


def threshold_notes(result: Result) -> list[str]:
    """Says which thresholds those are; nothing without thresholds."""
    chosen = result.evaluation.stamp.thresholds
    if chosen is None:
        return []
    own = chosen["labels_with_their_own"]
    told = f"{chosen['seen']:.3g} for seen labels, {chosen['unseen']:.3g} for unseen ones"
    told += f"; labels were asked {chosen['company']}" if chosen["company"] else ""
    told += f"; a threshold of its own for {own} seen labels" if own else ""
    return [f"@threshold: labels above probabilities that were chosen on validation images: {told}."]


def _cell(found: Evaluation, name: str) -> str:
    value, ends = found.metrics[name], found.intervals.get(name)
    return f"{100 * value:.1f}" + ("" if ends is None else f" ({100 * ends[0]:.1f}–{100 * ends[1]:.1f})")
