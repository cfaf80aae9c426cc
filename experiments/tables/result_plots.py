"""The plots of an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import precision_recall_curve

from embeddings.io.errors import InputError
from embeddings.io.markup import drawn
from embeddings.io.spelling import require
from experiments.output.plots import legend_below, name_points, new_plot
from experiments.runs.result import Result
from zsl.evaluation.protocol import protocols

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTS = ("ap.png", "similarity.png", "trade_off.png", "precision_recall.png")  # all that a result may have
MOST_BARS = 90  # labels whose names can be read
MOST_NAMED = 6  # points with a name
MOST_CURVES = 10
CURVES = ("closed", "zsl", "seen", "gzsl")  # the first of these that ranks a label has its curve
RANKED = {"zsl": "unseen labels (ZSL)", "gzsl": "seen and unseen labels (GZSL)", "seen": "seen labels alone"}
MOST_POINTS = 2000  # of a curve; more cannot be seen


def save_plots(result: Result, folder: Path, labels: Sequence[str] = ()) -> list[str]:
    """Writes the plots that a result has the values for.

    Args:
        result: of the evaluation.
        folder: for the files.
        labels: whose precision is drawn against recall; by default three of the best, middle and worst unseen labels.
    Returns:
        the names of the files.
    """
    main = "zsl" if "zsl" in result.evaluation.ap else next(iter(result.evaluation.ap))
    save_ap_bars(result, main, folder / "ap.png")
    written = ["ap.png"]
    if main == "zsl" and np.isfinite(result.labels.similarity).any():
        save_similarity(result, folder / "similarity.png")
        written.append("similarity.png")
    if result.evaluation.trade_offs:
        save_trade_off(result, folder / "trade_off.png")
        written.append("trade_off.png")
    save_precision_recall(result, labels or chosen_labels(result, main), folder / "precision_recall.png")
    return [*written, "precision_recall.png"]


def save_ap_bars(result: Result, protocol: str, path: Path) -> None:
    """AP of each label, best first, with chance; of many labels only the best and the worst."""
    asked = protocols(result.test)[protocol]
    ap, chance = result.evaluation.ap[protocol], result.evaluation.chance[protocol]
    order = [int(row) for row in np.argsort(-np.nan_to_num(ap, nan=-1), kind="stable") if not np.isnan(ap[row])]
    ranked = RANKED.get(protocol, "labels")
    title = f"AP of {len(order)} {ranked}"
    if len(order) > MOST_BARS:
        order = order[: MOST_BARS // 2] + order[-MOST_BARS // 2 :]
        title = f"AP of the best and the worst {MOST_BARS // 2} {ranked}"
    with new_plot(path, (max(6.0, 0.17 * len(order) + 1.5), 4.5)) as (figure, axes):
        places = np.arange(len(order))
        axes.bar(places, 100 * ap[order], color="C0", label="AP")
        axes.plot(places, 100 * chance[order], "k_", markersize=6, label="chance")
        axes.set_xticks(places, [drawn(asked.labels[row]) for row in order], rotation=90, fontsize=8)
        axes.set_xlim(-0.7, len(order) - 0.3)
        axes.set_ylabel("AP [%]")
        axes.set_title(title, loc="left", fontsize=10)
        legend_below(figure)


def save_similarity(result: Result, path: Path) -> None:
    """AP of unseen labels against their similarity to the nearest seen label."""
    rows = slice(result.labels.num_seen, None)
    similarity, ap = result.labels.similarity[rows], 100 * result.labels.ap["zsl"][rows]
    fallback = np.array([bool(note) for note in result.labels.notes[rows]])
    with new_plot(path, (6.5, 4.8)) as (figure, axes):
        for chosen, marker, title in ((~fallback, "o", "vector as it stands"), (fallback, "^", "vector by a fallback")):
            if chosen.any():
                axes.plot(similarity[chosen], ap[chosen], marker, alpha=0.7, markersize=5, label=title)
        axes.set_xlabel("cosine similarity to the nearest seen label")
        axes.set_ylabel("AP [%] among unseen labels")
        axes.set_title("Unseen labels: AP against similarity; the best by name", loc="left", fontsize=10)
        legend_below(figure)
        known = np.flatnonzero(~np.isnan(ap))
        best = known[np.argsort(-ap[known])][:MOST_NAMED]
        name_points(axes, [(similarity[row], ap[row], result.test.unseen[row]) for row in best])


def save_trade_off(result: Result, path: Path) -> None:
    """Seen against unseen recall at K as the bias on seen logits changes."""
    with new_plot(path, (5.5, 4.8)) as (figure, axes):
        shift = result.evaluation.stamp.shift
        for number, (k, curve) in enumerate(result.evaluation.trade_offs.items()):
            colour = f"C{number}"
            points = _thinned(len(curve.shifts))
            axes.plot(
                100 * curve.seen_recall[points],
                100 * curve.unseen_recall[points],
                color=colour,
                label=f"K = {k}, area {100 * curve.area:.1f} %",
            )
            _mark(axes, 100 * curve.seen_recall[curve.step(0)], 100 * curve.unseen_recall[curve.step(0)], "o", colour)
            if shift is not None:
                step = curve.step(shift)
                _mark(axes, 100 * curve.seen_recall[step], 100 * curve.unseen_recall[step], "s", colour)
        axes.plot([], [], "ko", fillstyle="none", label="no shift")
        if shift is not None:
            axes.plot([], [], "ks", fillstyle="none", label=f"shift {shift:.3g}, from validation")
        axes.set_xlabel("recall of seen labels at K [%]")
        axes.set_ylabel("recall of unseen labels at K [%]")
        axes.set_title("Among the K best of all labels (GZSL)", loc="left", fontsize=10)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_below(figure)


def _mark(axes: "Axes", x: float, y: float, marker: str, colour: str) -> None:
    axes.plot([x], [y], marker, color=colour, markersize=8, fillstyle="none", clip_on=False)


def _thinned(length: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, min(length, MOST_POINTS)).astype(int))


def chosen_labels(result: Result, protocol: str) -> list[str]:
    """The three best, three middle and three worst labels that have a positive."""
    labels, ap = protocols(result.test)[protocol].labels, result.evaluation.ap[protocol]
    order = [int(row) for row in np.argsort(-np.nan_to_num(ap, nan=-1), kind="stable") if not np.isnan(ap[row])]
    middle = len(order) // 2
    rows = dict.fromkeys([*order[:3], *order[max(middle - 1, 0) : middle + 2], *order[-3:]])
    return [labels[row] for row in rows]


def check_curves(result: Result, labels: Sequence[str]) -> None:
    """Checks that precision can be drawn against recall of these labels.

    Raises:
        InputError: there are more labels than colours; a label has no scores, or no positive test image.
    """
    if len(set(labels)) > MOST_CURVES:
        raise InputError(f"--curve is given {len(set(labels))} labels; one plot takes {MOST_CURVES}")
    found = result.evaluation.ap
    ap = {n: value for p in CURVES if p in found for n, value in zip(_labels(result, p), found[p], strict=True)}
    require(labels, ap, result.test.name, thing="curve")
    absent = next((name for name in labels if np.isnan(ap[name])), None)
    if absent is not None:
        raise InputError(f"--curve {absent!r}: no test image of {result.test.name} has the label; choose another")


def _labels(result: Result, protocol: str) -> tuple[str, ...]:
    return protocols(result.test)[protocol].labels


def save_precision_recall(result: Result, labels: Sequence[str], path: Path) -> None:
    """Precision against recall of some labels, by scikit-learn; each among the labels of its own kind."""
    asked, found = protocols(result.test), result.evaluation.ap
    used = {name: next(p for p in CURVES if p in found and name in asked[p].labels) for name in labels}
    several = len(set(used.values())) > 1
    ranked = " and ".join(RANKED.get(protocol, "labels") for protocol in dict.fromkeys(used.values()))
    with new_plot(path, (6.5, 4.2 + 0.1 * len(used))) as (figure, axes):
        for number, (name, protocol) in enumerate(used.items()):
            column = asked[protocol].labels.index(name)
            values = result.test.targets.columns(asked[protocol].columns[[column]]).dense()[:, 0]
            known = values != 0 if result.test.targets.partial else np.ones(len(values), bool)
            precision, recall, _ = precision_recall_curve(values[known] > 0, result.scores[protocol][known, column])
            points = _thinned(len(recall))
            kind = f" ({protocol})" if several else ""
            # a figure first: a legend leaves out what begins with "_"
            label = f"{100 * found[protocol][column]:.1f}  {drawn(name)}{kind}"
            style = "-" if number % 2 == 0 else "--"  # ten colours are hard to tell apart
            axes.plot(100 * recall[points], 100 * precision[points], style, lw=1.2, label=label, drawstyle="steps-pre")
        axes.set_xlabel("recall [%]")
        axes.set_ylabel("precision [%]")
        axes.set_title(f"Precision and recall of some {ranked}, with AP [%]", loc="left", fontsize=10)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 102)
        legend_below(figure)
