"""The names of metrics, and what tables know of each: its title, which way is better, whether it is a fraction.

A name is "protocol/measure", as in "zsl/map", "gzsl/f1@3" and "zsl-synonyms/map_chance". Figures of another kind, such
as costs, have names without a protocol.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PROTOCOLS = ("zsl", "gzsl", "seen", "closed")


@dataclass(frozen=True)
class Facts:
    """What tables know of a measure.

    Args:
        title: in the header of tables that show it; "" if it is only shown on request.
        lower: whether lower values are better.
        fraction: whether it lies in [0, 1] and is shown in percent.
    """

    title: str = ""
    lower: bool = False
    fraction: bool = True


MEASURES = {
    "map": Facts("mAP"),
    "map_absent_zero": Facts(),
    "map_weighted": Facts(),
    "map_micro": Facts(),
    "map_seen": Facts("seen mAP"),
    "map_unseen": Facts(),
    "map_harmonic": Facts(),
    "f1": Facts("F1"),
    "precision": Facts(),
    "recall": Facts(),
    "macro_f1": Facts(),
    "macro_precision": Facts(),
    "macro_recall": Facts(),
    "ranking_loss": Facts(lower=True),
    "coverage": Facts(lower=True, fraction=False),
    "label_ranking_ap": Facts(),
    "ausuc": Facts(),
    "recall_seen": Facts(),
    "recall_unseen": Facts(),
    "recall_harmonic": Facts(),
    "f1_seen": Facts(),
    "f1_unseen": Facts(),
    "unseen_recall_lost": Facts(lower=True),
    **{f"{kind}precision_{part}": Facts() for kind in ("", "macro_") for part in ("seen", "unseen")},
    **{f"macro_{measure}_{part}": Facts() for measure in ("f1", "recall") for part in ("seen", "unseen")},
    **{f"{error}{part}": Facts(lower=True) for error in ("ece", "ece_plain") for part in ("", "_seen", "_unseen")},
}


@dataclass(frozen=True)
class MetricName:
    """The parts of a metric's name.

    Args:
        protocol: one of `PROTOCOLS`.
        names: which other names of the unseen labels were ranked ("synonyms"); "" for their own.
        measure: a key of `MEASURES`, if it is a known one.
        k: "@3" of F1@3, "@threshold" at chosen thresholds; "" for a measure without it.
        chance: whether it is the figure of a random ranking.
    """

    protocol: str
    names: str
    measure: str
    k: str
    chance: bool

    @property
    def facts(self) -> Facts:
        """The facts of its measure; an unknown measure counts as a fraction whose higher values are better."""
        return MEASURES.get(self.measure, Facts())


def parsed(metric: str) -> MetricName | None:
    """The parts of a name; None for a figure without a protocol."""
    vocabulary, slash, rest = metric.partition("/")
    protocol, _, names = vocabulary.partition("-")
    if not slash or protocol not in PROTOCOLS:
        return None
    plain = rest.removesuffix("_chance")
    measure, at, k = plain.removeprefix("calibrated_").partition("@")
    return MetricName(protocol, names, measure, at + k, plain != rest)


def shown_columns(metrics: Iterable[str]) -> dict[str, str]:
    """The metrics that a table shows by default, with their titles.

    mAP of unseen labels comes first, under their own names before other ones.

    Args:
        metrics: names of the available metrics; those without a protocol are left out.
    Returns:
        the title by metric, in the order of the columns.
    """
    names = {metric: name for metric in metrics if (name := parsed(metric)) is not None}
    alone = not any(name.protocol in ("zsl", "gzsl") for name in names.values())
    titles = {metric: _title(metric, name, alone) for metric, name in names.items()}
    order = sorted(titles, key=lambda metric: (metric != "zsl/map", not titles[metric].startswith("unseen")))
    return {metric: titles[metric] for metric in order if titles[metric]}


def _title(metric: str, name: MetricName, alone: bool) -> str:
    """A column's title, "" for none; `alone`: there are only scores of the seen labels, or of a closed set."""
    title = f"{name.facts.title}{name.k}"
    if name.chance or not name.facts.title or metric.partition("/")[2].startswith("calibrated_"):
        return ""
    if name.names:
        return f"unseen mAP, {name.names}" if (name.protocol, name.measure) == ("zsl", "map") else ""
    if name.protocol == "seen":
        return f"seen alone {title}" if alone else ""
    if name.protocol == "closed" or name.measure == "map_seen":
        return title
    return "unseen mAP" if metric == "zsl/map" else f"{name.protocol.upper()} {title}"
